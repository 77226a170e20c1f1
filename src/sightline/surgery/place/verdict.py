"""The verdict on a layer's places, from what was measured of them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.turns import Turn, turns
from sightline.surgery.memory.remembered import Lasting
from sightline.surgery.place.statistic import Figures, Looks

logger = logging.getLogger("sightline.surgery.place.proof")

Outcome = Literal["confirmed", "contradicted", "undecided"]

FEWEST = 6
"""Of fewer places nothing is said: a chance would be too likely."""
CHANNELS_AS_PLACES = "channels are read as places"


@dataclass(frozen=True)
class Proof:
    """What is known of the places of a layer.

    `way` is how: `structure` (read off the graph) or `measured`. `seen` says in words what was
    found; for what was contradicted, what is wrong with it. `turn` is how the grid lies
    over the picture in truth: so read, every place lies where it looks.
    """

    outcome: Outcome
    way: Literal["structure", "measured"]
    seen: str
    turn: Turn | None = field(default=None, repr=False)

    @property
    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"outcome": self.outcome, "way": self.way, "seen": self.seen}


def _elsewhere(proof: Proof, size: str) -> Proof | None:
    if proof.outcome != "confirmed":
        return None
    return replace(proof, seen=f"{proof.seen}, as at {size}")


CONFIRMED = Lasting(
    plain=lambda proof: proof.record if proof.outcome == "confirmed" else None,
    back=lambda plain: Proof(**plain),
    elsewhere=_elsewhere,
)
"""Only what is confirmed outlasts a process. That places lie right follows from how a model is
made; that nothing could be said may come from its weights, and what is said against a map shall
have been seen by who says it.
"""


def undecided(why: str) -> Proof:
    """Nothing could be said, and why."""
    return Proof("undecided", "measured", why)


def centres(places: Sequence[Shape], size: Shape, shares: Sequence[float] | None) -> Tensor:
    """Where the grid says that places have their centres, `[n, axes]` in sides of the picture."""
    there, sides, parts = (
        torch.tensor(numbers, dtype=torch.float32, device="cpu")
        for numbers in (places, size, tuple(shares or (1.0,) * len(size)))
    )
    return (there + 0.5) / sides / parts


def verdict(
    looked: Tensor,
    asked: Sequence[Shape],
    size: Shape,
    shares: Sequence[float] | None = None,
    *,
    final: bool = True,
) -> Proof | None:
    """The outcome for the places `asked` of a grid, of what they `looked` at `[2, n, *cells]`.

    None where more places have to be asked; the `final` word is always one. What is not confirmed
    is compared with every turn of the grid: where one of them is, the grid as it is read is wrong.
    """
    if not bool(looked.isfinite().all()):
        return undecided("derivatives by the pixels of noise overflow")
    heard = looked.flatten(2).sum(2).gt(0).all(0)
    corners = 2 ** sum(n > 1 for n in size)
    if final and heard.any() and not heard[:corners].any():
        return Proof("contradicted", "measured", "its corners look at nothing, as a rim does")
    declared = centres(asked, size, shares)
    usable = heard & (declared <= 1).all(1)
    if int(usable.sum()) < (FEWEST if final else len(asked)):
        few = f"{int(usable.sum())} places look at anything of noise, fewer than six"
        return undecided(few) if final else None
    looks = Looks(looked[:, usable])
    found = looks.figures(declared[usable])
    logger.debug("%s", found)
    if not final:
        return _decided_early(found)
    proof = _decided(found)
    if proof.outcome == "confirmed":
        return proof
    heeded = [one for one, use in zip(asked, usable.tolist(), strict=True) if use]
    turn = _agreeing(looks, heeded, size, shares)
    if turn is None:
        return proof
    return Proof("contradicted", "measured", f"the grid is {turn}: {_said(found)}", turn)


def _agreeing(
    looks: Looks, asked: Sequence[Shape], size: Shape, shares: Sequence[float] | None
) -> Turn | None:
    """The turn by which the places lie best where they look; None if none is confirmed."""
    best: tuple[float, Turn | None] = 0.0, None
    for turn in turns(len(size)):
        there = centres(turn.moved(asked, size), size, shares)
        if bool((there > 1).any()):
            continue
        found = looks.figures(there)
        if found.peak >= 1.25 and _decided(found).outcome == "confirmed" and found.own > best[0]:
            best = found.own, turn
    return best[1]


def _said(found: Figures) -> str:
    share = max(found.share, 0)  # below nothing: less than a place's share lies there
    return (
        f"{share:.0%} of what is each place's own lies at the place, correlation"
        f" {found.correlation:.2f}"
    )


def _decided(found: Figures) -> Proof:
    if found.peak >= 1.25 and (
        found.share < 0.5 or found.spread < 0.2 or (found.correlation < 0.3 and found.share < 0.8)
    ):
        return Proof("contradicted", "measured", f"the places look elsewhere: {_said(found)}")
    # Few pixels each make a low peak, too: then as much has to lie at the place as anywhere.
    mixed = found.peak < 1.25 and found.own >= 0.6 * found.peak
    if found.correlation >= 0.75 and (found.share >= 0.6 or mixed):
        return Proof("confirmed", "measured", _said(found))
    return undecided("the network mixes all places" if mixed else _said(found))


def _decided_early(found: Figures) -> Proof | None:
    """Of few places only what is beyond doubt."""
    clear = found.peak >= 1.4
    if clear and found.correlation >= 0.9 and found.share >= 0.75 and found.spread >= 0.3:
        return _decided(found)
    return None
