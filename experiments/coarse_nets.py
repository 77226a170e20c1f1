"""Small networks whose last stage has 4 x 4 places, trained here on CIFAR-10: is the stage before
it a better layer?

Longer than those of `curved_nets`, and on pictures shifted at random: from 24 to 39 % errors.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from curved_nets import ADAM, convnext, swin
from networks import CIFAR
from small_nets import PLAIN, learnt
from torch import Tensor, nn

from sightline import Card, describe


def plain(act: Callable[[], nn.Module]) -> nn.Module:
    """Seven convolutions from 32 x 32 to 4 x 4, each with batch norm and `act`; pool, linear."""
    layers: list[nn.Module] = []
    inside = 3
    for outside, stride in ((32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (128, 1)):
        steps = nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), act()
        layers, inside = [*layers, nn.Sequential(*steps)], outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 10))


def vgg() -> nn.Module:
    """Six convolutions with batch norm and ReLU, and a max pool between stages; pool, linear."""
    layers: list[nn.Module] = []
    inside = 3
    for outside, pool in (
        (32, True),
        (64, True),
        (128, False),
        (128, True),
        (128, False),
        (128, False),
    ):
        layers += [
            nn.Conv2d(inside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)] if pool else []
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 10))


class ResNet(nn.Module):
    """ResNet-18's four stages, 24 channels wide at first, behind one 3 x 3 convolution: as on CIFAR
    as a rule.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.layer1, self.layer2 = self._stage(width, width, 1), self._stage(width, 2 * width, 2)
        self.layer3, self.layer4 = (
            self._stage(2 * width, 4 * width, 2),
            self._stage(4 * width, 8 * width, 2),
        )
        self.fc = nn.Linear(8 * width, 10)

    @staticmethod
    def _stage(inside: int, outside: int, stride: int) -> nn.Sequential:
        from torchvision.models.resnet import BasicBlock

        down = None
        if stride > 1:
            down = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )
        return nn.Sequential(
            BasicBlock(inside, outside, stride, down), BasicBlock(outside, outside)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        logits: Tensor = self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))
        return logits


def mobilenet() -> nn.Module:
    """MobileNetV2's inverted residuals from 32 x 32 to 4 x 4, and its last convolution; pool,
    linear.
    """
    from torchvision.models.mobilenetv2 import InvertedResidual

    layers: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(3, 24, 3, 1, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU6())
    ]
    inside = 24
    for outside, stride in ((24, 1), (32, 2), (32, 1), (64, 2), (64, 1), (96, 2), (96, 1)):
        layers, inside = [*layers, InvertedResidual(inside, outside, stride, 4)], outside
    layers.append(
        nn.Sequential(nn.Conv2d(inside, 256, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU6())
    )
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


COARSE: dict[str, tuple[Callable[[], nn.Module], float, Any]] = {
    "ReLU (4 x 4)": (partial(plain, nn.ReLU), 12, None),
    "SiLU (4 x 4)": (partial(plain, nn.SiLU), 12, ADAM),
    "VGG (4 x 4)": (vgg, 12, None),
    "ResNet (4 x 4)": (ResNet, 10, None),
    "MobileNet (4 x 4)": (mobilenet, 8, None),
    "ConvNeXt (4 x 4)": (convnext, 25, ADAM),
    "Swin (4 x 4)": (swin, 40, ADAM),
}
"""What each is called, how it is made, for how many epochs it is trained, and by what, where it is
not SGD.
"""


def trained(
    name: str, data: Path, place: Path, limit: int | None = None
) -> tuple[nn.Module, dict[str, float]]:
    """The network with its weights, of an earlier run or trained now, and its `error` and
    `seconds`.
    """
    make, epochs, optimiser = COARSE[name]
    torch.manual_seed(0)
    net = make()
    short = name.partition(" ")[0].lower()
    describe(net, Card(f"coarse_{short}", None, PLAIN, CIFAR, "trained by this program"))
    return net, learnt(net, data, place / short, epochs, limit, optimiser=optimiser, shift=4)
