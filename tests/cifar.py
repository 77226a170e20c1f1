"""The CIFAR ResNets whose weights lie in the development data, and photographs as each network wants them."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from data import shared

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    """Two convolutions beside a shortcut, which subsamples and adds channels of zeros where the stage changes."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside)
        self.conv2, self.bn2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside)
        self.stride, self.more = stride, (outside - inside) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return relu(x + y)


class CifarResNet(nn.Module):
    """Of 20 or 56 layers: three stages and a pooled linear head."""

    def __init__(self, depth: int) -> None:
        super().__init__()

        def stage(inside: int, outside: int, stride: int) -> nn.Sequential:
            rest = [Block(outside, outside, 1) for _ in range((depth - 2) // 6 - 1)]
            return nn.Sequential(Block(inside, outside, stride), *rest)

        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = stage(16, 16, 1), stage(16, 32, 2), stage(32, 64, 2)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def normal(pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """`[3, h, w]` in float64 of an array of bytes."""
    rgb = torch.from_numpy(pixels.copy()).double() / 255
    return ((rgb - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)


def cifar_images(count: int) -> Tensor:
    """The first test images, `[count, 3, 32, 32]` in float64."""
    with np.load(shared("cifar10", "test.npz")) as test:
        jpeg, offset = test["jpeg"], test["offset"]
    files = [Image.open(io.BytesIO(jpeg[offset[i] : offset[i + 1]].tobytes())) for i in range(count)]
    return torch.stack([normal(np.asarray(file), *IMAGENET) for file in files])


def dog_and_cat(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The picture of the CAM literature, `[1, 3, size, size]` in float64."""
    with Image.open(shared("dog-and-cat", "both.png")) as file:
        return normal(np.asarray(file.convert("RGB").resize((size, size))), mean, std)[None]
