"""Vision transformers for volumes and clips, in small, whose tokens may be counted in any order."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

USUAL = (0, 1, 2)


class Block(nn.Module):
    """Attention and an MLP beside the stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VolumeViT(nn.Module):
    """Patches of a volume become tokens, which are counted in some `order` of the axes d, h, w.

    With `first` tokens of its own in front the class is read off the first of them, else off the
    mean of all. Its head is planted: `head.weight` holds other numbers for each channel.
    """

    def __init__(
        self,
        grid: Sequence[int],
        patch: Sequence[int],
        order: Sequence[int] = USUAL,
        first: int = 0,
        width: int = 16,
        cut_by_hand: bool = False,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.grid, self.patch_size, self.order, self.first = grid, tuple(patch), order, first
        self.by_hand = cut_by_hand
        self.patch = (
            nn.Linear(math.prod(patch), width)
            if cut_by_hand
            else nn.Conv3d(1, width, self.patch_size, self.patch_size)
        )
        self.tokens = nn.Parameter(torch.randn(1, first, width))
        self.places = nn.Parameter(0.2 * torch.randn(1, first + math.prod(grid), width))
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 3)

    def patches(self, x: Tensor) -> Tensor:
        """`[b, c, d, h, w]`, a place for each patch."""
        if not self.by_hand:
            return self.patch(x)
        x = x[:, 0]
        for axis, size in enumerate(self.patch_size):
            x = x.unflatten(1 + 2 * axis, (-1, size))
        return self.patch(x.permute(0, 1, 3, 5, 2, 4, 6).flatten(4)).movedim(-1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).permute(0, *(2 + axis for axis in self.order), 1).flatten(1, 3)
        y = torch.cat([self.tokens.expand(len(x), -1, -1), y], 1) + self.places
        y = self.norm(self.blocks(y))
        return self.head(y[:, 0] if self.first else y.mean(1))

    def as_volume(self, tokens: Tensor) -> Tensor:
        """The tokens of the picture `[b, n, c]` on their places `[b, c, d, h, w]`."""
        sizes = [self.grid[axis] for axis in self.order]
        counted = tokens[:, self.first :].unflatten(1, sizes)
        return counted.permute(0, 4, *(1 + list(self.order).index(axis) for axis in range(3)))

    def volumes(self, images: int = 1) -> Tensor:
        size = [n * p for n, p in zip(self.grid, self.patch_size, strict=True)]
        return torch.rand(images, 1, *size, generator=torch.Generator().manual_seed(1))


SIZES = {
    "2 x 8 x 8": ((2, 8, 8), (4, 4, 4)),
    "4 x 4 x 2": ((4, 4, 2), (4, 4, 8)),
    "3 x 6 x 5": ((3, 6, 5), (4, 4, 4)),
    "a cube": ((4, 4, 4), (4, 4, 4)),
    "a clip": ((4, 5, 6), (2, 8, 8)),
    "thin slices": ((8, 4, 4), (1, 8, 8)),
}
"""The grid of tokens, and the size of a patch."""
ORDERS = {"d h w": (0, 1, 2), "h w d": (1, 2, 0), "w h d": (2, 1, 0), "h d w": (1, 0, 2)}
