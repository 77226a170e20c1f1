"""The real networks with real weights that the experiments run on, each with its card.

Their weights and the data lie in the development data (`--data`, by default `../shared/data` beside
the project), never in the project; the bundled `lookout` is always there.
"""

import json
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import pad, relu

import sightline
from sightline import Card, Preprocess, describe

ROOT = Path(__file__).resolve().parents[1].parent / "shared" / "data"
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def imagenet_names(data: Path = ROOT) -> tuple[str, ...]:
    """The names of ImageNet's classes in the usual order."""
    lines = (
        (data / "imagenet-samples" / "imagenet_classes.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    return tuple(line.partition(" ")[2] for line in lines if line)


def mobilenet(data: Path = ROOT) -> nn.Module:
    """MobileNetV2 1.0 (224 pixels): 90 % top-1 on the 200 ImageNet samples."""
    file = data / "imagenet-weights" / "mobilenetv2_100_same.safetensors"
    return sightline.load(
        "timm/mobilenetv2_100", weights=file, pad_type="same", pretrained_cfg_overlay=HALF
    ).model


def squeezenet(data: Path = ROOT) -> nn.Module:
    """SqueezeNet 1.1: 66 % top-1 on the 200 ImageNet samples."""
    return sightline.load(
        "torchvision/squeezenet1_1", weights=data / "imagenet-weights" / "squeezenet1_1.safetensors"
    ).model


def tiny_darknet(data: Path = ROOT) -> nn.Module:
    """Tiny Darknet (RGB in [0, 1], nothing subtracted): 72 % top-1 on the 200 ImageNet samples."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels, convolutions, pools = 3, 0, 0
    for step in [
        (16, 3),
        "M",
        (32, 3),
        "M",
        (16, 1),
        (128, 3),
        (16, 1),
        (128, 3),
        "M",
        (32, 1),
        (256, 3),
        (32, 1),
        (256, 3),
        "M",
        (64, 1),
        (512, 3),
        (64, 1),
        (512, 3),
        (128, 1),
    ]:
        if isinstance(step, str):
            pools += 1
            layers[f"pool{pools}"] = nn.MaxPool2d(2)
            continue
        convolutions, (width, size) = convolutions + 1, step
        layers[f"conv{convolutions}"] = nn.Conv2d(
            channels, width, size, padding=size // 2, bias=False
        )
        layers[f"bn{convolutions}"] = nn.BatchNorm2d(width, eps=1e-3)
        layers[f"act{convolutions}"] = nn.LeakyReLU(0.1)
        channels = width
    layers["conv16"] = nn.Conv2d(channels, 1000, 1)
    layers["gap"], layers["flatten"] = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    net = nn.Sequential(layers)
    net.load_state_dict(
        load_file(data / "imagenet-weights" / "tiny_darknet.safetensors"), strict=True
    )
    view = Preprocess(
        resize=256, crop=(224, 224), interpolation="bicubic", mean=(0.0,) * 3, std=(1.0,) * 3
    )
    describe(
        net,
        Card(
            "tiny_darknet",
            None,
            view,
            imagenet_names(data),
            "J. Redmon, from a copy by ml5",
            "Darknet",
        ),
    )
    return net.eval()


def lookout(data: Path = ROOT) -> nn.Module:
    """The bundled network: 50 classes of Tiny ImageNet."""
    return sightline.load("lookout").model


class Block(nn.Module):
    """Two convolutions beside a shortcut, which subsamples and adds channels of zeros where the
    stage changes.
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = (
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.conv2, self.bn2 = (
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.stride, self.more = stride, (outside - inside) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return relu(x + y)


class CifarResNet(nn.Module):
    """A CIFAR ResNet of 6 n + 2 layers: three stages and a pooled linear head."""

    def __init__(self, depth: int, width: int = 16) -> None:
        super().__init__()

        def stage(inside: int, outside: int, stride: int) -> nn.Sequential:
            rest = [Block(outside, outside, 1) for _ in range((depth - 2) // 6 - 1)]
            return nn.Sequential(Block(inside, outside, stride), *rest)

        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.layer1, self.layer2 = stage(width, width, 1), stage(width, 2 * width, 2)
        self.layer3 = stage(2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def cifar_card(name: str) -> Card:
    """What a CIFAR network wants: 32 pixels, ImageNet's mean and std."""
    return Card(
        name,
        None,
        Preprocess(resize=None, crop=None),
        CIFAR,
        "Y. Idelbayev, fine-tuned on JPEG copies",
        "BSD",
    )


def cifar_resnet(depth: int, data: Path = ROOT) -> nn.Module:
    """ResNet-20 (86.8 % on the 5,000 test images) or ResNet-56 (88.5 %)."""
    net = CifarResNet(depth)
    net.load_state_dict(load_file(data / "cifar10" / f"resnet{depth}.safetensors"), strict=True)
    describe(net, cifar_card(f"cifar_resnet{depth}"))
    return net.eval()


NETWORKS = {
    "MobileNetV2": (mobilenet, "imagenet-samples"),
    "SqueezeNet 1.1": (squeezenet, "imagenet-samples"),
    "Tiny Darknet": (tiny_darknet, "imagenet-samples"),
    "lookout": (lookout, "tinyimagenet50/val.parquet"),
    "ResNet-20": (lambda data=ROOT: cifar_resnet(20, data), "cifar10/test.npz"),
    "ResNet-56": (lambda data=ROOT: cifar_resnet(56, data), "cifar10/test.npz"),
}
"""Each network, and the data it is measured on."""


def accuracy(predicted: list[int | None], labels: list[int | None]) -> float:
    """The share of images whose class came first, of those whose class is known."""
    known = [
        (p, t) for p, t in zip(predicted, labels, strict=True) if p is not None and t is not None
    ]
    return sum(p == t for p, t in known) / len(known)


def seeded(seed: int = 0) -> None:
    """Everything random the same again."""
    torch.manual_seed(seed)


def written(place: Path, title: str, lines: list[str]) -> Path:
    """A page of results: its title, then its lines."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join([f"# {title}", "", *lines, ""]), encoding="utf-8")
    print(json.dumps({"written": str(place)}))
    return place
