"""Small networks whose layer, `act`, lies where its grid says, or not, each in another way."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.nets import CONVS

Way = Callable[["Placed", Tensor], Tensor]


class Placed(nn.Module):
    """Two convolutions and a `tanh`, with something done to the picture in front of them."""

    def __init__(self, way: Way = lambda net, x: x, axes: int = 2, stride: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        conv = CONVS[axes]
        self.way, self.first = way, conv(3, 6, 3, padding=1)
        self.second, self.act = conv(6, 8, 3, stride=stride, padding=1), nn.Tanh()
        self.head = nn.Linear(8, 4)

    def body(self, x: Tensor) -> Tensor:
        """As far as the layer."""
        return self.act(self.second(F.relu(self.first(x))))

    def forward(self, x: Tensor, *others: Any) -> Tensor:
        y = self.body(self.way(self, x, *others))
        return self.head(y.flatten(2).mean(2))


def turned_in_place(net: Placed, x: Tensor) -> Tensor:
    """Rows are columns."""
    return x.transpose(2, 3)


def mirrored(net: Placed, x: Tensor) -> Tensor:
    return x.flip(3)


def rolled(net: Placed, x: Tensor) -> Tensor:
    return x.roll(x.shape[3] // 2, 3)


def cropped(net: Placed, x: Tensor) -> Tensor:
    """The right lower quarter, as large as the picture."""
    return F.interpolate(
        x[:, :, x.shape[2] // 2 :, x.shape[3] // 2 :], x.shape[2:], mode="bilinear"
    )


def measured(way: Way) -> Way:
    """The same way behind an operator that is not read off a graph, and moves nothing."""
    return lambda net, x, *others: way(net, x.roll(0, 2), *others)


def slightly_cropped(net: Placed, x: Tensor) -> Tensor:
    return F.interpolate(x[:, :, 1:-1, 1:-1], x.shape[2:], mode="bilinear")


class Encoder(nn.Module):
    """A vision transformer in small: patches, attention and a residual stream, behind `norm`."""

    def __init__(self, way: Callable[[Tensor], Tensor] = lambda x: x, depth: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way, self.patch = way, nn.Conv2d(3, 16, 4, 4)
        self.first = nn.Parameter(torch.randn(1, 1, 16))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 4)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(self.way(x)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(x), -1, -1), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens).mean(1))


class Mixer(nn.Module):
    """Every place of `mixed` is made of all places nearly alike: no residual, no place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.tokens = nn.Conv2d(3, 8, 4, 4), nn.Linear(64, 64)
        nn.init.uniform_(self.tokens.weight, 0.9, 1.1)
        self.mixed, self.head = nn.Identity(), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(self.patch(x).flatten(2)).transpose(1, 2)
        return self.head(self.mixed(tokens).mean(1))


class Unpadded(nn.Module):
    """As LeNet: two convolutions that pad nothing, and a pool between them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.pool, self.act = nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.act(self.pool(F.relu(self.first(x))))).mean((2, 3)))
