"""The proof of a map's place: by the graph where that says it, else by measuring; remembered."""

import logging
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.place.look_back import looked_at, noise, places
from sightline.surgery.place.memory import remembered
from sightline.surgery.place.opened import LayerRun, Opened, opened
from sightline.surgery.place.statistic import Figures, figures
from sightline.surgery.place.structure import Tracks, UnknownStep, tracks
from sightline.tensors import allow_grad

logger = logging.getLogger(__name__)

Outcome = Literal["confirmed", "contradicted", "undecided"]

_NEAR, _FAR, _FAR_OFF = 0.75, 1.25, 0.25
"""In places: so near is right. So far, and so much of the picture's side, is wrong.

Between the two it is measured. Convolutions that pad nothing shrink the grid towards the middle: in
a small network behind two of them the corners are two places off, and nobody would call it wrong.
"""
_FEW, _MANY = 6, 12


@dataclass(frozen=True)
class Proof:
    """What is known of the places of a layer.

    `way` is how: `structure` (read off the graph) or `measured`. `seen` says in words what was
    found; for what was contradicted, what is wrong with it.
    """

    outcome: Outcome
    way: Literal["structure", "measured"]
    seen: str


def prove(given: Given, run: LayerRun) -> Proof:
    """Whether the places of the layer lie where its grid says. Remembered for a model and a shape.

    >>> from torch import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU())
    >>> prove(Given.of(net, torch.rand(1, 3, 16, 16)), LayerRun("1"))
    Proof(outcome='confirmed', way='structure', seen='every place within 0.25 places of its own')
    """
    proof: Proof = remembered(given, ("place", run.key), lambda: _prove(given, run))
    return proof


def _prove(given: Given, run: LayerRun) -> Proof:
    try:
        with allow_grad(), torch.enable_grad():
            here = opened(given, run, noise(given, 0))
        if here is None:
            return _undecided("the layer did not run on noise")
        if not here.on_the_way:
            return _without_a_way(given, run, here)
        by_structure = _by_structure(given, here)
        return _measured(given, run, here) if by_structure is None else by_structure
    except Exception as error:
        # That it cannot be checked shall keep nobody from a map: it is said of it.
        return _undecided(f"it cannot be looked back to noise ({reason(error)})")


def _undecided(why: str) -> Proof:
    return Proof("undecided", "measured", why)


def _without_a_way(given: Given, run: LayerRun, here: Opened) -> Proof:
    """No graph leads to the picture: it is another one's layer, or the model lets no graph be."""
    other = opened(given, run, noise(given, 1), graph=False)
    if other is not None and torch.equal(other.map.detach(), here.map.detach()):
        return Proof("contradicted", "structure", "it does not depend on this picture")
    return _undecided("no derivative leads through the model to the picture")


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
    if here.leaf.ndim != 2 + axes or len(here.map.shape) != 2 + axes:
        return None
    return list(own[here.grid.kind]), list(range(2, 2 + axes))


def _by_structure(given: Given, here: Opened) -> Proof | None:
    """The proof by the graph; None where it does not tell."""
    axes = _axes(given, here)
    if axes is None:
        return None
    try:
        # What a node kept may be computed anew when it is read (checkpointing): by the model.
        with guard.untouched(given.model):
            found = tracks(here.map, here.leaf, axes[0])
    except UnknownStep as step:
        logger.debug("the place is measured: %s is no local operator", step)
        return None
    if not found:
        return None
    sizes = [here.map.shape[axis] for axis in axes[0]]
    away = [_away(state, sizes, given.size, axes[1]) for state in found]
    if all(far <= _NEAR for far, _ in away):
        far = max(far for far, _ in away)
        return Proof("confirmed", "structure", f"every place within {far:.2g} places of its own")
    if all(wrong for _, wrong in away):
        return Proof("contradicted", "structure", away[0][1])
    return None


def _away(state: Tracks, sizes: list[int], picture: Shape, axes: list[int]) -> tuple[float, str]:
    """How many places the farthest is from where it is declared, and what is wrong, if it is."""
    if [track.axis for track in state] != axes:
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


def _measured(given: Given, run: LayerRun, here: Opened) -> Proof:
    maps = here.grid.read(here.map.detach())[0]
    size = tuple(maps.shape[1:])
    live = (maps != 0).any(0)
    some = places(size, live, _MANY)
    if len(some) < _FEW or int(live.sum()) < _FEW:
        return _undecided(f"{min(len(some), int(live.sum()))} places with a number, fewer than six")
    halves: list[list[Tensor]] = [[], []]
    for asked, group in ((_FEW, some[:_FEW]), (len(some), some[_FEW:])):
        for half, found in enumerate(halves):
            looked = looked_at(given, run, group, half) if group else None
            if group and looked is None:
                return _undecided("no derivative leads through the model to the picture")
            found.extend([] if looked is None else [looked])
        together = torch.stack([torch.cat(found) for found in halves])
        proof = _verdict(given, together, some[:asked], size, final=asked == len(some))
        if proof is not None:
            return proof
    raise AssertionError("the last look decides")


def _verdict(
    given: Given, looked: Tensor, asked: list[Shape], size: Shape, *, final: bool
) -> Proof | None:
    """The outcome; None where more places have to be asked."""
    heard = looked.flatten(2).sum(2).gt(0).all(0)
    corners = 2 ** sum(n > 1 for n in size)
    if final and heard.any() and not heard[:corners].any():
        return Proof("contradicted", "measured", "its corners look at nothing, as a rim does")
    declared = _declared(given, asked, size)
    usable = heard & (declared <= 1).all(1)
    if int(usable.sum()) < (_FEW if final else len(asked)):
        few = f"{int(usable.sum())} places look at anything of noise, fewer than six"
        return _undecided(few) if final else None
    found = figures(looked[:, usable], declared[usable])
    logger.debug("%s", found)
    return _decided(found) if final else _decided_early(found)


def _declared(given: Given, asked: list[Shape], size: Shape) -> Tensor:
    """Where the grid says that places have their centres, `[n, axes]` in sides of the picture."""
    centres = (torch.tensor(asked) + 0.5) / torch.tensor(size)
    return centres / torch.tensor(given.frame.shares or (1.0,) * len(size))


def _decided(found: Figures) -> Proof:
    said = (
        f"{found.share:.0%} of what is each place's own lies at the place, correlation"
        f" {found.correlation:.2f}"
    )
    if found.peak >= 1.25 and (
        found.share < 0.5 or found.spread < 0.2 or (found.correlation < 0.3 and found.share < 0.8)
    ):
        return Proof("contradicted", "measured", f"the places look elsewhere: {said}")
    # Few pixels each make a low peak, too: then as much has to lie at the place as anywhere.
    mixed = found.peak < 1.25 and found.own >= 0.6 * found.peak
    if found.correlation >= 0.75 and (found.share >= 0.6 or mixed):
        return Proof("confirmed", "measured", said)
    return _undecided("the network mixes all places" if mixed else said)


def _decided_early(found: Figures) -> Proof | None:
    """Of few places only what is beyond doubt."""
    clear = found.peak >= 1.4
    if clear and found.correlation >= 0.9 and found.share >= 0.75 and found.spread >= 0.3:
        return _decided(found)
    if clear and found.share < 0.25 and found.correlation < 0.3:
        return _decided(found)
    return None
