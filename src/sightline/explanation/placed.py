"""What is known of a layer's place, and which run, turn or layer is explained: the right one."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sightline.errors import LayerError, SightlineError
from sightline.surgery import (
    Choice,
    Given,
    Grid,
    LayerRun,
    Proof,
    Score,
    TracedLayer,
    Where,
    distrust,
    grid_of_run,
    holds,
    prove,
    remembered,
    runs_of,
    search,
    silent_layers,
)
from sightline.surgery.harness.resolve import resolve

_MOST_RUNS = 4
_MOST_LAYERS = 6
WHOLE = 0.995
"""A layer that carries as much as this of what reaches the score carries all that can be seen."""

OTHER_ROWS = Proof(
    "contradicted",
    "measured",
    "its rows belong to other pictures of the batch; alone each picture has its own",
)


@dataclass(frozen=True)
class Place:
    """What a map of a layer, or of several together, can be trusted with.

    `proof` is about where its places lie, `share` how much of what comes back from the score to the
    picture comes through it, None where that is not known.
    """

    proof: Proof
    share: float | None = None

    @property
    def misplaced(self) -> str:
        """What is wrong with the place, in words; empty where nothing is."""
        return self.proof.seen if self.proof.outcome == "contradicted" else ""

    @property
    def partial(self) -> bool:
        """Whether the layer is one branch of several."""
        return self.share is not None and self.share < WHOLE

    @property
    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**self.proof.record, "share": self.share}


@dataclass(frozen=True)
class Opening:
    """How some layers are opened: at which run, each read by which grid, and what was proved."""

    call: int
    grids: dict[str, Any]
    proofs: dict[str, Proof]

    def proof_of(self, names: Sequence[str]) -> Proof:
        """The worst of some layers' proofs."""
        worst = ("contradicted", "undecided", "confirmed")
        return min((self.proofs[name] for name in names), key=lambda one: worst.index(one.outcome))


def proved(
    given: Given, runs: Sequence[LayerRun], *, stated: bool, trusting: bool = True
) -> Opening:
    """How to open layers so that their places lie where the maps show them, as far as can be.

    Where the last run of a single layer lies elsewhere (it saw another picture, or this one
    mirrored) and nobody named a run, the first of its runs that is confirmed is taken. Where no run
    is, and the grid was not `stated` by the caller, a turn of it is: by that the places lie on the
    picture. Who is `trusting` takes over what was proved at another size of the picture, and asks
    `as_elsewhere` once the layers are open.
    """
    call = runs[0].call
    proofs = {run.name: prove(given, run, trusting=trusting) for run in runs}
    grids = {run.name: run.grid for run in runs}
    if call == -1 and len(runs) == 1 and proofs[runs[0].name].outcome == "contradicted":
        name = runs[0].name
        count: int = remembered(given, ("runs", name), partial(runs_of, given, name))
        for other in range(min(count - 1, _MOST_RUNS)):
            proof = prove(given, replace(runs[0], call=other), trusting=trusting)
            if proof.outcome == "confirmed":
                return Opening(other, grids, {name: proof})
    for run in runs:
        if not stated and (turn := proofs[run.name].turn) is not None:
            own: Grid = remembered(given, ("grid", *run.key), partial(grid_of_run, given, run))
            grid = replace(own, turn=turn)
            proof = prove(given, replace(run, grid=grid), trusting=trusting)
            if proof.outcome == "confirmed":
                seen = f"{proof.seen}, once the grid is read as {turn}"
                proofs[run.name], grids[run.name] = replace(proof, seen=seen), grid
    return Opening(call, grids, proofs)


def lying_right(
    given: Given, layer: Where, call: int, grid: Any, *, stated: bool
) -> tuple[int, Any]:
    """The run at which a layer is opened, and how it is read, for a result that has no status.

    Raises `LayerError` where its places do not lie on the picture.
    """
    name, _ = resolve(given.model, layer)
    opening = proved(given, [LayerRun(name, call, grid)], stated=stated, trusting=False)
    proof = opening.proofs[name]
    if proof.outcome == "contradicted":
        raise LayerError(
            f"Expected a layer whose places lie on the picture; those of {name!r} do not:"
            f" {proof.seen}. Name another layer, or how it is read (grid=); place='unchecked' takes"
            " it as it is."
        )
    return opening.call, opening.grids[name]


def as_elsewhere(given: Given, cuts: Sequence[TracedLayer], call: int) -> bool:
    """Whether what was proved at another size of the picture holds: the grids scale as that does.

    True where nothing was taken over. Where it does not hold, nothing is taken over any more.
    """
    if all(
        holds(given, LayerRun(cut.layer, call), cut.grid, tuple(cut.activations.shape[2:]))
        for cut in cuts
    ):
        return True
    distrust(given)
    return False


def lies_right(given: Given, choice: Choice, call: int, score: Score, about: Hashable) -> Choice:
    """The layer that was chosen; or, where its places lie elsewhere, another that is confirmed."""
    if _outcome(given, choice, call) != "contradicted":
        return choice
    key = "instead", choice.name, choice.call, choice.grid, call, about
    other: Choice = remembered(given, key, lambda: _instead(given, choice, call, score))
    return other


def _instead(given: Given, choice: Choice, call: int, score: Score) -> Choice:
    without = silent_layers(given) | {choice.name}
    for _ in range(_MOST_LAYERS):
        try:
            other, _general = search(given, score, without)
        except SightlineError:  # there is no other
            break
        if _outcome(given, other, call) == "confirmed":
            reason = f"{other.reason}; the places of {choice.name!r} do not lie on this picture"
            return replace(other, reason=reason)
        without |= {other.name}
    return choice


def _outcome(given: Given, choice: Choice, call: int) -> str:
    run = LayerRun(choice.name, run_of(choice, call), choice.grid)
    return proved(given, [run], stated=False).proofs[choice.name].outcome


def run_of(choice: Choice, call: int) -> int:
    """Which run of a chosen layer is explained: the one the caller named, else its own."""
    return choice.call if call == -1 else call
