"""Small networks behind a layer, float64 and random: activations `[b, c, *s]` in, logits `[b, k]`
out.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reference.shapley_cam import rest
from reference.smooth_grad_cam_pp import noisy_pictures

CHANNELS, CLASSES = 3, 5
GRIDS = {1: (6,), 2: (4, 5), 3: (3, 2, 4)}
"""A grid for each number of spatial axes."""

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Pooled(nn.Module):
    """Global average pooling and one linear layer: where CAM is defined."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(CHANNELS, CLASSES)

    def forward(self, activations: Tensor) -> Tensor:
        return self.linear(activations.flatten(2).mean(2))


class Symmetric(nn.Module):
    """Convolution, ReLU, pooling, linear; with mirrored kernels, so that the logits do not see a
    flip.
    """

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.convolution = CONVOLUTIONS[axes](CHANNELS, 8, 3, padding=1)
        self.linear = nn.Linear(8, CLASSES)
        with torch.no_grad():
            kernels = self.convolution.weight
            kernels.copy_((kernels + kernels.flip(-1)) / 2)

    def forward(self, activations: Tensor) -> Tensor:
        return self.linear(self.convolution(activations).relu().flatten(2).mean(2))


def deep(axes: int) -> nn.Module:
    """Convolution, batch norm with statistics of its own, ReLU, max pooling, two linear layers."""
    norm = NORMS[axes](8)
    nn.init.uniform_(norm.running_mean, -0.5, 0.5)
    nn.init.uniform_(norm.running_var, 0.2, 1.0)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    return nn.Sequential(
        CONVOLUTIONS[axes](CHANNELS, 8, 3, padding=1),
        norm,
        nn.ReLU(),
        POOLS[axes](2),
        nn.Flatten(),
        nn.LazyLinear(16),
        nn.ReLU(),
        nn.Linear(16, CLASSES),
    )


def made(
    tail: nn.Module, axes: int, images: int = 1, sharpness: float = 4.0
) -> tuple[nn.Module, Tensor]:
    """The tail, ready, and activations as from behind a ReLU.

    A larger `sharpness` makes surer logits.
    """
    activations = torch.randn(images, CHANNELS, *GRIDS[axes], dtype=torch.float64).relu()
    tail = tail.double().eval()
    with torch.no_grad():
        tail(activations)  # LazyLinear learns its size
        last = tail.linear if hasattr(tail, "linear") else tail[-1]
        last.weight.mul_(sharpness)
        last.bias.mul_(sharpness)
    return tail, activations


def class_gradients(tail: nn.Module, activations: Tensor) -> Tensor:
    """`[k, b, c, *s]`: the gradient of every class's logit, one class at a time."""
    leaf = activations.detach().clone().requires_grad_()
    logits = tail(leaf)
    slopes = [
        torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0]
        for k in range(logits.shape[1])
    ]
    return torch.stack(slopes)


def material(tail: nn.Module, activations: Tensor, explained: Tensor) -> dict[str, Any]:
    """Everything a method may ask for."""
    with torch.no_grad():
        logits = tail(activations)
    gradients = class_gradients(tail, activations)
    images = torch.arange(len(explained))
    return {
        "activations": activations,
        "gradients": gradients[explained, images],
        "class_gradients": gradients,
        "probabilities": logits.softmax(1),
        "explained": explained,
        "scores": logits[images, explained],
        "rescore": lambda shares: again(tail, activations * shares, explained),
        "look": lambda maps, change=None, probability=False, at_once=16: again(
            tail, activations * seen(maps, change).unsqueeze(2), explained, probability
        ),
        "look_back": lambda maps, at_once=16: looked_back(tail, activations, maps, explained),
        "noisy_gradients": lambda samples, std, seed: (
            class_gradients(tail, one.to(activations))[explained, images]
            for one in noisy_pictures(activations, samples, std, seed)
        ),
        "second_order": lambda utility: bent(tail, activations, explained, utility),
    }


def again(
    tail: nn.Module, versions: Tensor, explained: Tensor, probability: bool = False
) -> Tensor:
    """The scores `[m, b]` of activations `[m, b, c, *s]`, one version after another."""
    images = torch.arange(len(explained))
    with torch.no_grad():
        rows = [tail(one).softmax(1) if probability else tail(one) for one in versions]
    return torch.stack([row[images, explained] for row in rows])


def looked_back(
    tail: nn.Module, activations: Tensor, maps: Tensor, explained: Tensor
) -> tuple[Tensor, Tensor]:
    """The scores `[b]` seen through a map each, `[b, *s]`, and their derivatives by the maps."""
    with torch.enable_grad():
        own = maps.detach().clone().requires_grad_()
        rows = tail(activations * seen(own[None], None)[0].unsqueeze(1))
        scores = rows[torch.arange(len(explained)), explained]
        return scores.detach(), torch.autograd.grad(scores.sum(), own)[0]


def bent(tail: nn.Module, activations: Tensor, classes: Any, utility: str) -> list[Tensor]:
    """Gradients and Hessians times activations, by autograd's own function for the latter."""
    found = []
    for one, klass in zip(activations, classes, strict=True):

        def value(own: Tensor, klass: Any = klass) -> Tensor:
            rows = tail(own)[0]
            return rest(rows, klass) if utility == "rest" else rows[klass]

        (gradient,) = torch.autograd.grad(value(leaf := one[None].requires_grad_()), leaf)
        found.append((gradient, torch.autograd.functional.hvp(value, one[None], one[None])[1]))
    return [torch.cat(column) for column in zip(*found, strict=True)]


def seen(maps: Tensor, change: Callable[[Tensor], Tensor] | None) -> Tensor:
    """Maps `[m, b, *s]` in [0, 1]. Here the activations themselves are the picture."""
    flat = maps.flatten(2)
    low, high = flat.amin(2, keepdim=True), flat.amax(2, keepdim=True)
    masks = ((flat - low) / (high - low).masked_fill(high == low, 1)).reshape(maps.shape)
    return masks if change is None else change(masks)
