"""The proof of a map's place: by the graph where that says it, else by measuring; remembered."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sightline.surgery.harness.fallback import reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape, fits
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.memory.remembered import remembered
from sightline.surgery.place.by_structure import by_structure
from sightline.surgery.place.look_back import looked_at, noise, places
from sightline.surgery.place.look_forward import answers
from sightline.surgery.place.opened import NotRun, Opened, opened
from sightline.surgery.place.own_reading import by_own_reading
from sightline.surgery.place.verdict import (
    CHANNELS_AS_PLACES,
    CONFIRMED,
    FEWEST,
    Proof,
    undecided,
    verdict,
)
from sightline.tensors import allow_grad

logger = logging.getLogger(__name__)

_FIRST, _MANY = 5, 12
"""So many places are looked at in a first step, and in all, by each half."""
_NO_WAY = "no derivative leads through the model to the picture"


def prove(given: Given, run: LayerRun, *, trusting: bool = False) -> Proof:
    """Whether the places of the layer lie where its grid says. Remembered for a model and a shape.

    Who is `trusting` is told what was found at another size of the picture, for nothing, and asks
    `holds` once the layer has run at this one.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU())
    >>> prove(Given.of(net, torch.rand(1, 3, 16, 16)), LayerRun("1"))
    Proof(outcome='confirmed', way='structure', seen='every place within 0.25 places of its own')
    """
    about = "place", *run.key
    proof: Proof = remembered(
        given, about, lambda: _prove(given, run), CONFIRMED, run=run, trusting=trusting
    )
    return proof


def _prove(given: Given, run: LayerRun) -> Proof:
    try:
        with allow_grad(), torch.enable_grad():
            here = opened(given, run, noise(given, 0))
            if here is None:
                return undecided("the layer did not run on noise")
            if not here.on_the_way:
                return _without_a_way(given, run, here)
            return (
                by_structure(given, here)
                or by_own_reading(given, run, here)
                or _measured(given, run, here)
            )
    except NotRun as error:
        return _by_answers(given, run, f"it cannot be looked back to noise ({error})")
    except Exception as error:
        # That it cannot be checked shall keep nobody from a map: it is said of it.
        return undecided(f"it cannot be looked back to noise ({reason(error)})")


def _without_a_way(given: Given, run: LayerRun, here: Opened) -> Proof:
    """No graph leads to the picture: it is another one's layer, or the model lets no graph be."""
    other = opened(given, run, noise(given, 1), graph=False)
    if other is not None and torch.equal(other.map.detach(), here.map.detach()):
        return Proof("contradicted", "structure", "it does not depend on this picture")
    return _by_answers(given, run, _NO_WAY)


def _by_answers(given: Given, run: LayerRun, why: str) -> Proof:
    """Without a way back: from what the layer answers. `why` is said where that fails, too."""
    try:
        here = opened(given, run, noise(given, 0), graph=False)
        if here is None or _few(here) or here.leaf.ndim != 2 + len(given.size):
            return undecided(why)
        proof = _asked(
            here, given, lambda group, half: answers(given, run, group, _size(here), half)
        )
    except NotRun:
        return undecided(why)
    return replace(proof, seen=f"{proof.seen}, by patches of noise that were drawn anew")


def _measured(given: Given, run: LayerRun, here: Opened) -> Proof:
    few = _few(here)
    if few is not None:
        return few
    other = opened(given, run, noise(given, 1))
    if other is None or not other.on_the_way:
        return _by_answers(given, run, _NO_WAY)
    proof = _looked_at(given, (here, other))
    if proof.outcome != "undecided":
        return proof
    for axis in range(2, 2 + len(given.size)):
        turned = [_with_channels_at(axis, half) for half in (here, other)]
        size = turned[0].grid.read(here.map).shape[2:]
        if (fits(size, given.size) or fits(size[::-1], given.size)) and not _few(turned[0]):
            as_channels = _looked_at(given, turned)
            if as_channels.outcome == "confirmed" or as_channels.turn is not None:
                return Proof("contradicted", "measured", CHANNELS_AS_PLACES)
    return proof


def _with_channels_at(axis: int, here: Opened) -> Opened:
    """The same layer, with another axis of its map `[b, c, *s]` taken for the channels."""
    return replace(
        here, grid=Grid("own", (), reader=lambda out: here.grid.read(out).movedim(axis, 1))
    )


def _few(here: Opened) -> Proof | None:
    """What is said of too few places that have a number; None of enough."""
    live = int((here.grid.read(here.map.detach())[0] != 0).any(0).sum())
    return undecided(f"{live} places with a number, fewer than six") if live < FEWEST else None


def _looked_at(given: Given, halves: Sequence[Opened]) -> Proof:
    """By derivatives, each half of the look on a noise of its own."""
    return _asked(halves[0], given, lambda group, half: looked_at(given, halves[half], group, half))


def _size(here: Opened) -> Shape:
    return tuple(here.grid.read(here.map).shape[2:])


def _asked(here: Opened, given: Given, look: Callable[[list[Shape], int], Tensor]) -> Proof:
    """Few places first, then more."""
    size, live = _size(here), (here.grid.read(here.map.detach())[0] != 0).any(0)
    some = places(size, live, _MANY)
    looked: list[Tensor] = []
    for start, asked in ((0, _FIRST), (_FIRST, len(some))):
        if group := some[start:asked]:
            looked.append(torch.stack([look(group, half) for half in range(2)]))
        final = asked >= len(some)
        proof = verdict(torch.cat(looked, 1), some[:asked], size, given.frame.shares, final=final)
        if proof is not None:
            return proof
    raise AssertionError("the final verdict decides")
