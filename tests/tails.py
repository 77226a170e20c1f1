"""Small networks behind a layer, float64 and random: activations `[b, c, *s]` in, logits `[b, k]` out."""

import torch
from torch import Tensor, nn

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
    """Convolution, ReLU, pooling, linear; with mirrored kernels, so that the logits do not see a flip."""

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


def made(tail: nn.Module, axes: int, images: int = 1, sharpness: float = 4.0) -> tuple[nn.Module, Tensor]:
    """The tail, ready, and activations as from behind a ReLU. A larger `sharpness` makes surer logits."""
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
    slopes = [torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0] for k in range(logits.shape[1])]
    return torch.stack(slopes)


def material(tail: nn.Module, activations: Tensor, explained: Tensor) -> dict[str, Tensor]:
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
    }
