"""The proof by the graph: every operator on the way to the picture says where it moves places."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from sightline.surgery.harness import guard
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.turns import Turn, turns
from sightline.surgery.place.opened import Opened
from sightline.surgery.place.steps import Track, Tracks, UnknownStep
from sightline.surgery.place.structure import tracks
from sightline.surgery.place.verdict import Proof

logger = logging.getLogger("sightline.surgery.place.proof")

_NEAR, _FAR, _FAR_OFF = 0.75, 1.25, 0.25
"""In places: so near is right. So far, and so much of the picture's side, is wrong.

Between the two it is measured. Convolutions that pad nothing shrink the grid towards the middle: in
a small network behind two of them the corners are two places off, and nobody would call it wrong.
"""


def by_structure(given: Given, here: Opened) -> Proof | None:
    """The proof by the graph; None where it does not tell."""
    axes = _axes(given, here)
    if axes is None:
        return None
    try:
        # What a node kept may be computed anew when it is read (checkpointing): by the model.
        with guard.untouched(given.model, here.left):
            found = tracks(here.map, here.leaf, axes[0])
    except UnknownStep as step:
        logger.debug("the place is measured: %s is no local operator", step)
        return None
    if not found:
        return None
    sizes = [here.map.shape[axis] for axis in axes[0]]
    if here.grid.turn is not None:
        found = [_read(state, sizes, here.grid.turn) for state in found]
    away = [_away(state, sizes, given.size, axes[1]) for state in found]
    if all(far <= _NEAR for far, _ in away):
        far = max(far for far, _ in away)
        return Proof("confirmed", "structure", f"every place within {far:.2g} places of its own")
    if all(wrong for _, wrong in away):
        turn = _agreeing(found, sizes, given.size, axes[1])
        seen = away[0][1] if turn is None else f"the grid is {turn}"
        return Proof("contradicted", "structure", seen, turn)
    return None


def _axes(given: Given, here: Opened) -> tuple[list[int], list[int]] | None:
    """The grid's axes in the layer's output, and the picture's in what was handed in."""
    axes = len(given.size)
    own = {
        "channels first": range(2, 2 + axes),
        "channels last": range(1, 1 + axes),
        "frames": (1, *range(3, 2 + axes)),
    }
    if here.grid.kind not in own or given.frame.shares is not None:
        return None
    if here.grid.turn is not None and here.grid.turn.rolled:
        return None
    if here.leaf.ndim != 2 + axes or len(here.map.shape) != 2 + axes:
        return None
    return list(own[here.grid.kind]), list(range(2, 2 + axes))


def _away(
    state: Tracks, sizes: Sequence[int], picture: Shape, axes: Sequence[int]
) -> tuple[float, str]:
    """How many places the farthest is from where it is declared, and what is wrong, if it is."""
    if [track.axis for track in state] != list(axes):
        return float("inf"), "the axes of the grid are exchanged"
    farthest, wrong = 0.0, ""
    for track, places_there, pixels in zip(state, sizes, picture, strict=True):
        step = pixels / places_there
        if track.scale < 0 and places_there > 1:
            return float("inf"), "the grid is mirrored"
        for u in (0.5, places_there - 0.5):
            for end in (track.low, track.high):
                off = abs((track.scale * u + end) / step - u)
                farthest = max(farthest, off)
                if off == farthest and off >= max(_FAR, _FAR_OFF * places_there):
                    wrong = f"the grid lies {off:.2g} places away"
    return farthest, wrong


def _agreeing(
    found: Sequence[Tracks], sizes: Sequence[int], picture: Shape, axes: Sequence[int]
) -> Turn | None:
    """The turn by which every place lies where the graph says; None where there is none."""
    for turn in turns(len(sizes)):
        # Axes that are exchanged lie otherwise in a picture alone, not one after another.
        if turn.rolled or (list(turn.order) != sorted(turn.order) and len(set(sizes)) > 1):
            continue
        read = [_read(state, sizes, turn) for state in found]
        if all(_away(state, sizes, picture, axes)[0] <= _NEAR for state in read):
            return turn
    return None


def _read(state: Tracks, sizes: Sequence[int], turn: Turn) -> Tracks:
    """The places of a map that was read otherwise: on which axis each of its axes lies, and how."""
    inverse = sorted(range(len(sizes)), key=lambda k: turn.order[k])
    turned = [state[inverse[k]] for k in range(len(sizes))]
    return tuple(
        _mirrored(track, sizes[k]) if k in turn.mirrored else track
        for k, track in enumerate(turned)
    )


def _mirrored(track: Track, places_there: int) -> Track:
    moved = track.scale * places_there
    return replace(track, scale=-track.scale, low=track.low + moved, high=track.high + moved)
