"""A reading by a function of somebody's own, beside how the output lies by the graph."""

import logging
from dataclasses import replace
from itertools import permutations

import torch
from torch import Tensor

from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.fallback import first_line
from sightline.surgery.harness.feature_map import grid_of
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.harness.resolve import resolve
from sightline.surgery.harness.turns import AXES, turns
from sightline.surgery.place.by_structure import by_structure
from sightline.surgery.place.opened import Opened
from sightline.surgery.place.verdict import CHANNELS_AS_PLACES, Proof

logger = logging.getLogger("sightline.surgery.place.proof")


def by_own_reading(given: Given, run: LayerRun, here: Opened) -> Proof | None:
    """The proof of a grid that is a function; None where the graph does not tell of its layer.

    The graph knows nothing of a function. But of the layer's output, read as it would be without
    one, it may say that every place lies right; and what the function makes of numbers laid out
    like that output is then that map, a turn of it, or its channels taken for places.
    """
    if here.grid.kind != "own":
        return None
    shape = tuple(here.map.shape)
    inferred = grid_of(shape, tuple(here.leaf.shape), kind_of(resolve(given.model, run.name)[1]))
    if inferred is None:
        return None
    proof = by_structure(given, replace(here, grid=inferred))
    if proof is not None and proof.turn is not None:
        inferred = replace(inferred, turn=proof.turn)
        proof = by_structure(given, replace(here, grid=inferred))
    if proof is None or proof.outcome != "confirmed":
        return None
    device, count = here.map.device, here.map.numel()
    try:
        numbers = torch.arange(1.0, 1 + count, dtype=torch.double, device=device).view(shape)
        read, right = here.grid.read(numbers), inferred.read(numbers)
    except Exception as error:
        # It may want the layer's own numbers (weights in float32, a device without float64): it is
        # measured on these.
        logger.debug("the place is measured: numbers cannot be read so: %s", first_line(error))
        return None
    return proof if _same(read, right) else _wrong(read, right)


def _wrong(read: Tensor, right: Tensor) -> Proof | None:
    """What is wrong with a map `[b, c, *s]` beside the right one; None where it is no turn of it.

    >>> right = torch.arange(24.0).view(1, 2, 3, 4)
    >>> _wrong(right.flip(3), right).seen, _wrong(right.movedim(3, 1), right).seen
    ('the grid is mirrored along the width', 'channels are read as places')
    """
    for turn in turns(right.ndim - 2):
        if _same(turn(read), right):
            return Proof("contradicted", "structure", f"the grid is {turn}", turn)
    if read.shape == right.shape and (moved := _moved(read, right)):
        return Proof("contradicted", "structure", f"the grid is moved by {moved}")
    for order in permutations(range(1, right.ndim)):
        if _same(read, right.permute(0, *order)):
            told = "the axes of the grid are exchanged" if order[0] == 1 else CHANNELS_AS_PLACES
            return Proof("contradicted", "structure", told)
    return None


def _moved(read: Tensor, right: Tensor) -> str:
    """By how many places along each axis a map was moved, in words; empty where it was not only."""
    first = (read[0, 0] == right[0, 0].flatten()[0]).nonzero()
    if len(first) != 1:
        return ""
    there, axes = [int(n) for n in first[0]], list(range(2, read.ndim))
    if not _same(read.roll([-n for n in there], axes), right):
        return ""
    names = AXES[len(axes)]
    return " and ".join(f"{n} along the {name}" for n, name in zip(there, names, strict=True) if n)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)
