"""Where places are looked for without a way back: parts of the picture are drawn anew.

What a place looks at is what it answers to. So a patch of the noise is drawn once more, and where
the layer's map changes is compared with where the patch lies: the same figures with the roles
exchanged, for two runs a patch. It is for models through which no derivative leads.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.look_back import MOST_CELLS, noise, pooled
from sightline.surgery.place.opened import NotRun, opened
from sightline.tensors import at_least_float32


def answers(given: Given, run: LayerRun, some: Sequence[Shape], size: Shape, half: int) -> Tensor:
    """How much the layer's map changes, `[n, *cells]`, where a patch of the picture does.

    The patches are the parts of the picture that some places of a grid of this `size` cover. Raises
    `NotRun` where the layer does not run so.
    """
    pictures = noise(given, half)
    generator = torch.Generator("cpu").manual_seed(101 + half)
    before = _map(given, run, pictures)
    found = []
    for place in some:
        changed = pictures.clone()
        at = (slice(None), slice(None), *_patch(place, size, given.size))
        fresh = torch.randn(
            pictures[at].shape, generator=generator, dtype=torch.float32, device="cpu"
        )
        changed[at] = fresh.to(pictures)
        after = _map(given, run, changed)
        cells = [min(n, MOST_CELLS) for n in before.shape[2:]]
        found.append(pooled(at_least_float32((after - before)[:1].abs().sum(1)), cells))
    return torch.cat(found)


def _map(given: Given, run: LayerRun, pictures: Tensor) -> Tensor:
    here = opened(given, run, pictures, graph=False)
    if here is None:
        raise NotRun(f"layer {run.name!r} did not run")
    return here.grid.read(here.map)


def _patch(place: Shape, size: Shape, picture: Shape) -> tuple[slice, ...]:
    """The pixels that a place covers, at least one along each axis."""
    ends = []
    for k, n, pixels in zip(place, size, picture, strict=True):
        start = k * pixels // n
        ends.append(slice(start, max(start + 1, (k + 1) * pixels // n)))
    return tuple(ends)
