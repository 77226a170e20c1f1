"""Which positions of a layer answer to the corners of the picture: changed there, and run again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.harness.arguments import channels_second
from sightline.surgery.harness.given import Given
from sightline.surgery.layers.candidates import Candidate, candidates

Corners = tuple[int, ...]
"""A position for the top left, one for the top right and one for the bottom right.

Of clips and volumes four: the first three in the first frame, but the third at the bottom left, and
the last at the bottom right of the last.
"""

_CORNERS = ((True, True, True), (True, True, False), (False, False, False))
_CORNERS_OF_CLIPS = (*_CORNERS[:2], (True, False, True), _CORNERS[2])
"""Whether each lies in the first frame, at the top, and at the left."""

_PATCH = 32
"""A change is this part of the picture's sides: smaller than a patch, for one token to feel it."""


@dataclass(frozen=True)
class Response:
    """How the positions of a layer answered to changes of the picture in its corners.

    `peaks` are those that changed most, one for each change; None where one of the changes had no
    effect, or the layer did not run as before. `still`: none had any effect. `sharp`: to each, one
    position answered more than all others together; then the peaks tell the order for sure.
    """

    peaks: Corners | None
    still: bool
    sharp: bool


def responses(rows: list[Candidate], given: Given) -> list[Response]:
    """For each of the layers, at the price of three runs, of clips and volumes four."""
    changes = [_changes(rows, candidates(changed)[0]) for changed in _changed_in_corners(given)]
    return [_response(of_row) for of_row in zip(*changes, strict=True)]


def _response(changes: tuple[Tensor | None, ...]) -> Response:
    ran = [one for one in changes if one is not None]
    everywhere = len(ran) == len(changes)
    some_effect = [bool(one.any()) for one in ran]
    if not everywhere or not all(some_effect):
        return Response(None, everywhere and not any(some_effect), sharp=False)
    sharp = all(bool(one.max() * 2 > one.sum()) for one in ran)
    return Response(tuple(int(one.argmax()) for one in ran), still=False, sharp=sharp)


def _changes(rows: list[Candidate], others: list[Candidate]) -> list[Tensor | None]:
    """For each row how much each position changed; None where the other run has no such row."""
    by_run = {(row.names[0], row.runs[0]): row for row in others}
    return [_change(row.sketch, by_run.get((row.names[0], row.runs[0]))) for row in rows]


def _change(before: Tensor | None, other: Candidate | None) -> Tensor | None:
    after = None if other is None else other.sketch
    if before is None or after is None or before.shape != after.shape:
        return None
    return (before - after).abs().sum(1).nan_to_num(torch.inf)


def _changed_in_corners(given: Given) -> Iterable[Given]:
    """The same with a changed picture, in each of the `Corners`."""
    image, (*_, rows, columns) = given.image, given.size
    cut_into_patches = given.picture.shape[-2:] != (rows, columns)
    for first, top, left in _CORNERS_OF_CLIPS if image.ndim == 5 else _CORNERS:
        changed = image.clone()
        picture = channels_second(changed, given.channel_axis)
        if cut_into_patches:  # [b, n, pixels]: the patch of that corner
            row, column = 0 if top else rows - 1, 0 if left else columns - 1
            corner: Any = (slice(None), row * columns + column)
        else:
            first_or_last = [slice(0, 1) if first else slice(-1, None)] * (image.ndim == 5)
            corner = (..., *first_or_last, _end(rows, top), _end(columns, left))
        # Other numbers than before, also where it is black, and no mere change of sign.
        picture[corner] = -2 * picture[corner] - 1
        yield given.with_image(changed)


def _end(side: int, first: bool) -> slice:
    size = max(1, side // _PATCH)
    return slice(0, size) if first else slice(side - size, None)
