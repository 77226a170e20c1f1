"""Whether the rows of a layer belong to the pictures of the same rows."""

import torch
from torch import Tensor

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory.remembered import Lasting, remembered
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.opened import NotRun, opened

_BRIGHT = (0.0, 1.0, -1.0)
"""The middle one first: whoever sorts pictures, up or down, moves it."""
_NOTHING = 1e-3

_KEPT = Lasting(
    plain=lambda own: own if own else None,
    back=bool,
    elsewhere=lambda own, size: own or None,
)


def own_rows(given: Given, run: LayerRun) -> bool:
    """Whether each picture of a batch has its own row in what the layer returns. Remembered.

    Some models sort their batch (by the length of a sequence, say) and put the outputs back in
    order: alone each picture is right, in a batch it has the map of another. So one of three
    pictures is exchanged, and it is looked at which row answers. False only where that is another
    one alone: what mixes its pictures, or cannot be run on noise, is not judged.

    >>> from torch import nn
    >>> class Backwards(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(3, 4, 3)
    ...
    ...     def forward(self, x):
    ...         return self.conv(x.flip(0)).flip(0).mean((2, 3))
    >>> [own_rows(Given.of(Backwards(), torch.rand(b, 3, 8, 8)), LayerRun("conv")) for b in (1, 2)]
    [True, False]
    """
    if not given.batch_only or len(given.image) < 2:
        return True
    own: bool = remembered(
        given, ("rows", *run.key), lambda: _own_rows(given, run), _KEPT, trusting=True
    )
    return own


def _own_rows(given: Given, run: LayerRun) -> bool:
    pictures = torch.cat([noise(given, half) + one for half, one in enumerate(_BRIGHT)])
    other = pictures.clone()
    other[0] = noise(given, len(_BRIGHT))[0]
    try:
        maps = [_maps(given, run, one) for one in (pictures, other)]
    except NotRun:
        return True
    if maps[0] is None or maps[1] is None or maps[0].shape != maps[1].shape:
        return True
    if len(maps[0]) != len(pictures):
        return True
    moved = (maps[1] - maps[0]).flatten(1).double().norm(dim=1)
    answers = moved > _NOTHING * moved.max()
    return bool(answers[0]) or not bool(answers.any())


def _maps(given: Given, run: LayerRun, pictures: Tensor) -> Tensor | None:
    here = opened(given, run, pictures, graph=False)
    return None if here is None else here.grid.read(here.map).detach()
