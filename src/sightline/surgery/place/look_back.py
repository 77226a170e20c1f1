"""What single places of a layer look at: derivatives by the pixels, of noise.

Two halves, each with its own noise and its own random mixture of channels: what both see alike
belongs to the places and not to what is on the picture.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.surgery.backward.batch_norm import mended_graph
from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import first_line
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.place.opened import NotRun, Opened
from sightline.tensors import at_least_float32

_FEWEST_CELLS, MOST_CELLS = 4, 14
_GOLDEN = {1: 1.618033988749895, 2: 1.324717957244746, 3: 1.2207440846057596}
"""The roots of x^(d + 1) = x + 1: their powers spread a sequence evenly over d axes."""


def places(size: Shape, live: Tensor, count: int) -> list[Shape]:
    """The corners of the grid, then others that spread evenly, each with a number that is not zero.

    `live` `[*s]` tells which have one. No lattice: under a mirror half of it would stay in its
    place.

    >>> places((4, 4), torch.ones(4, 4).bool(), 6)
    [(0, 0), (0, 3), (3, 0), (3, 3), (1, 0), (0, 2)]
    """
    found = list(dict.fromkeys(product(*((0, n - 1) for n in size))))
    root = _GOLDEN[len(size)]
    for k in range(1, 8 * math.prod(size) + 1):
        if len(found) >= count:
            break
        place = tuple(int(n * ((0.5 + k / root ** (a + 1)) % 1)) for a, n in enumerate(size))
        if place not in found and bool(live[place]):
            found.append(place)
    return found[:count]


def noise(given: Given, half: int) -> Tensor:
    """Normal noise in the place of the pictures, the same every time, other for each half.

    One picture `[1, c, *s]` for a plain batch; beside other inputs as many as there are.
    """
    picture = given.picture[:1] if given.batch_only else given.picture
    generator = torch.Generator("cpu").manual_seed(1 + half)
    return torch.randn(picture.shape, generator=generator, dtype=torch.float32, device="cpu").to(
        picture
    )


def looked_at(given: Given, here: Opened, some: Sequence[Shape], half: int) -> Tensor:
    """What each of some places of a layer that was opened on the noise of a half looks at.

    `[n, *cells]`. One graph serves all places: a derivative costs about as much as a forward pass,
    and no copy of the picture is needed. Raises `NotRun` where the way back fails.
    """
    maps = here.grid.read(here.map)
    generator = torch.Generator("cpu").manual_seed(11 + half)
    mixture = torch.randn(maps.shape[1], generator=generator, dtype=torch.float32, device="cpu").to(
        maps
    )
    cells = [_cells(n, s) for n, s in zip(maps.shape[2:], given.size, strict=True)]
    found = []
    mixed = torch.einsum("c...,c->...", maps[0], mixture)
    with guard.untouched(given.model, here.left), mended_graph(mixed, here.leaf):
        for place in some:
            try:
                (gradient,) = torch.autograd.grad(
                    mixed[place],
                    here.leaf,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
            except Exception as error:  # whatever an operator of somebody's own may raise
                raise NotRun(f"{type(error).__name__}: {first_line(error)}") from error
            pixels = at_least_float32(gradient.detach()[:1]).abs()
            found.append(pooled(_pixels(pixels, given.size), cells))
    return torch.cat(found)


def _pixels(own: Tensor, size: Shape) -> Tensor:
    """Summed over the channels, `[n, *s]`; of a picture cut into patches, over a patch's pixels."""
    if own.ndim == 2 + len(size):
        return own.sum(1)
    patches: Tensor = own.sum(2)[:, : math.prod(size)]
    return patches.reshape(-1, *size)


def _cells(places_there: int, pixels: int) -> int:
    return min(max(places_there, _FEWEST_CELLS), MOST_CELLS, pixels)


def pooled(values: Tensor, cells: Sequence[int]) -> Tensor:
    """Values `[n, *s]` averaged over cells."""
    pool: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        values.ndim - 2
    ]
    averaged: Tensor = pool(values.unsqueeze(1), tuple(cells)).squeeze(1).cpu()
    return averaged
