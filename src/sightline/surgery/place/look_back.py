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

from sightline.surgery.backward.batch_norm import derivatives
from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import first_line
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.place.opened import LayerRun, NotRun, Opened, opened
from sightline.tensors import allow_grad, at_least_float32

AT_ONCE = 4
"""Places that are looked back from together, each on its own copy of the picture."""

_FEWEST_CELLS, _MOST_CELLS = 4, 14
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
    return torch.randn(picture.shape, generator=generator, device="cpu").to(picture)


def looked_at(given: Given, run: LayerRun, some: Sequence[Shape], half: int) -> Tensor | None:
    """What each of some places looks at, `[n, *cells]`.

    None where no graph leads from the layer to the picture.
    """
    one, found = noise(given, half), []
    for start in range(0, len(some), AT_ONCE):
        group = list(some[start : start + AT_ONCE])
        with allow_grad(), torch.enable_grad():
            here = opened(given, run, one.repeat(len(group), *[1] * (one.ndim - 1)))
            if here is None or not here.on_the_way:
                return None
            found.append(_back(given, here, group, half))
    return torch.cat(found)


def _back(given: Given, here: Opened, group: list[Shape], half: int) -> Tensor:
    maps = here.grid.read(here.map)
    b = len(here.leaf) // len(group)
    generator = torch.Generator("cpu").manual_seed(11 + half)
    mixture = torch.randn(maps.shape[1], generator=generator, device="cpu").to(maps)
    own = maps[::b].flatten(2)  # the first image of each version
    at = torch.stack([own[j, :, _flat(place, maps)] for j, place in enumerate(group)])
    with guard.untouched(given.model):
        try:
            gradient = derivatives(
                (at @ mixture).sum(), here.leaf, allow_unused=True, materialize_grads=True
            )
        except Exception as error:  # whatever an operator of somebody's own may raise
            raise NotRun(f"{type(error).__name__}: {first_line(error)}") from error
    pixels = _pixels(at_least_float32(gradient.detach()[::b]).abs(), given.size)
    sizes = zip(maps.shape[2:], pixels.shape[1:], strict=True)
    return _pooled(pixels, [_cells(n, s) for n, s in sizes])


def _pixels(own: Tensor, size: Shape) -> Tensor:
    """Summed over the channels, `[n, *s]`; of a picture cut into patches, over a patch's pixels."""
    if own.ndim == 2 + len(size):
        return own.sum(1)
    patches: Tensor = own.sum(2)[:, : math.prod(size)]
    return patches.reshape(-1, *size)


def _flat(place: Shape, maps: Tensor) -> int:
    at = 0
    for p, n in zip(place, maps.shape[2:], strict=True):
        at = at * n + p
    return at


def _cells(places_there: int, pixels: int) -> int:
    return min(max(places_there, _FEWEST_CELLS), _MOST_CELLS, pixels)


def _pooled(values: Tensor, cells: Sequence[int]) -> Tensor:
    pool: Any = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[
        values.ndim - 2
    ]
    pooled: Tensor = pool(values.unsqueeze(1), tuple(cells)).squeeze(1).cpu()
    return pooled
