"""The CIFAR ResNets whose weights lie in the development data, and photographs as each network
wants them.
"""

import io

import numpy as np
import torch
from networks import CifarResNet as CifarResNet
from PIL import Image
from torch import Tensor

from helpers.data import shared

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normal(pixels: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """`[3, h, w]` in float64 of an array of bytes."""
    rgb = torch.from_numpy(pixels.copy()).double() / 255
    return ((rgb - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)


def cifar_images(count: int) -> Tensor:
    """The first test images, `[count, 3, 32, 32]` in float64."""
    with np.load(shared("cifar10", "test.npz")) as test:
        jpeg, offset = test["jpeg"], test["offset"]
    files = [
        Image.open(io.BytesIO(jpeg[offset[i] : offset[i + 1]].tobytes())) for i in range(count)
    ]
    return torch.stack([normal(np.asarray(file), *IMAGENET) for file in files])


def dog_and_cat(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The picture of the CAM literature, `[1, 3, size, size]` in float64."""
    with Image.open(shared("dog-and-cat", "both.png")) as file:
        return normal(np.asarray(file.convert("RGB").resize((size, size))), mean, std)[None]
