"""Tails that bend, float64 and random, in operators that torch differentiates three times and
rightly.

PyTorch's own third derivatives of layer norm are wrong (they take the mean and the deviation for
constants), and its fused attention has no second ones. So the twins of both are written out here,
and `brute` tells which is used.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from helpers.tail_nets import CONVOLUTIONS, GRIDS, NORMS

CHANNELS, WIDTH, CLASSES = 3, 6, 4
_written_out = False


@contextmanager
def brute() -> Iterator[None]:
    """Inside, layer norm is written out and attention is not fused."""
    global _written_out
    _written_out = True
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _written_out = False


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        if not _written_out:
            return super().forward(x)
        centred = x - x.mean(-1, keepdim=True)
        return (
            centred * ((centred**2).mean(-1, keepdim=True) + self.eps) ** -0.5 * self.weight
            + self.bias
        )


class Pool(nn.Module):
    """The mean over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)


class Tokens(nn.Module):
    """Places as tokens `[b, n, c]`."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).transpose(1, 2)


class Mean(nn.Module):
    """The mean over tokens."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, 2), nn.Linear(2, width)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.up(nn.functional.silu(self.down(x.flatten(2).mean(2)))).sigmoid()
        return x * gate.reshape(*gate.shape, *[1] * (x.ndim - 2))


class Block(nn.Module):
    """Attention and an MLP, each beside a shortcut: a transformer's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(width), LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 5), nn.GELU(), nn.Linear(5, width))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Beside(nn.Module):
    """A shortcut."""

    def __init__(self, *inner: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*inner)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def _conv(axes: int, inside: int = CHANNELS, size: int = 3) -> nn.Module:
    return CONVOLUTIONS[axes](inside, WIDTH, size, padding=size // 2)


def _head() -> list[nn.Module]:
    return [Pool(), nn.Linear(WIDTH, CLASSES)]


def _convolved(activation: nn.Module) -> Callable[[int], list[nn.Module]]:
    return lambda axes: [
        _conv(axes),
        NORMS[axes](WIDTH),
        activation,
        Pool(),
        nn.Linear(WIDTH, CLASSES),
    ]


def _connected(*activations: nn.Module) -> Callable[[int], list[nn.Module]]:
    def made(axes: int) -> list[nn.Module]:
        wide = CHANNELS * torch.Size(GRIDS[axes]).numel()
        layers: list[nn.Module] = [nn.Flatten()]
        for activation in activations:
            layers += [nn.Linear(wide, 5), activation]
            wide = 5
        return [*layers, nn.Linear(5, CLASSES)]

    return made


TAILS: dict[str, tuple[str, Callable[[int], list[nn.Module]]]] = {
    "relu": ("straight", _convolved(nn.ReLU(inplace=True))),
    "fully connected, relu": ("straight", _connected(nn.ReLU(), nn.LeakyReLU(inplace=True))),
    "silu": ("powers", _convolved(nn.SiLU(inplace=True))),
    "gelu": ("powers", _convolved(nn.GELU())),
    "gelu, tanh": ("powers", _convolved(nn.GELU("tanh"))),
    "hardswish": ("powers", _convolved(nn.Hardswish(inplace=True))),
    "mish": ("powers", _convolved(nn.Mish())),
    "fully connected, silu": ("powers", _connected(nn.SiLU())),
    "pooled, hardswish": (
        "powers",
        lambda axes: [Pool(), nn.Linear(CHANNELS, 8), nn.Hardswish(), nn.Linear(8, CLASSES)],
    ),
    "pooled, layer norm": (
        "pooled",
        lambda axes: [Pool(), LayerNorm(CHANNELS), nn.Linear(CHANNELS, CLASSES)],
    ),
    "pooled, two layers": (
        "pooled",
        lambda axes: [
            Pool(),
            nn.Linear(CHANNELS, 5),
            nn.GELU(),
            nn.Linear(5, 5),
            nn.SiLU(),
            nn.Linear(5, CLASSES),
        ],
    ),
    "tokens, layer norm": (
        "coloured",
        lambda axes: [Tokens(), LayerNorm(CHANNELS), Mean(), nn.Linear(CHANNELS, CLASSES)],
    ),
    "two pointwise layers": (
        "coloured",
        lambda axes: [_conv(axes, size=1), nn.SiLU(), _conv(axes, WIDTH, 1), nn.GELU(), *_head()],
    ),
    "beside a shortcut": (
        "coloured",
        lambda axes: [
            _conv(axes, size=1),
            Beside(nn.SiLU(), _conv(axes, WIDTH, 1)),
            Pool(),
            nn.Linear(WIDTH, CLASSES),
        ],
    ),
    "fully connected, two layers": ("directions", _connected(nn.SiLU(), nn.GELU())),
    "squeeze and excitation": (
        "directions",
        lambda axes: [_conv(axes), Squeeze(WIDTH), nn.SiLU(), Pool(), nn.Linear(WIDTH, CLASSES)],
    ),
    "group norm": (
        "directions",
        lambda axes: [
            _conv(axes),
            nn.GroupNorm(2, WIDTH),
            nn.SiLU(),
            Pool(),
            nn.Linear(WIDTH, CLASSES),
        ],
    ),
    "attention": (
        "directions",
        lambda axes: [Tokens(), Block(CHANNELS), LayerNorm(3), Mean(), nn.Linear(3, CLASSES)],
    ),
}
"""The way each is meant to go, and what it is made of for 1, 2 or 3 spatial axes."""


def made(name: str, axes: int = 2, images: int = 2) -> tuple[nn.Module, Tensor]:
    """A network of which layer `0` is the one explained, and activations of either sign for it."""
    torch.manual_seed(axes)
    net = nn.Sequential(nn.Identity(), nn.Sequential(*TAILS[name][1](axes)))
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
    return net.double().eval(), torch.randn(images, CHANNELS, *GRIDS[axes], dtype=torch.float64)
