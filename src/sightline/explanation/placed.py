"""What is known of a layer's place, and which run of it is explained: one that lies right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sightline.surgery import Given, LayerRun, Proof, TracedLayer, Where, holds, prove
from sightline.surgery.harness.resolve import resolve

_MOST_RUNS = 4
_WHOLE = 0.995
"""A layer that carries as much as this of what reaches the score carries all that can be seen."""


@dataclass(frozen=True)
class Place:
    """What a map of a layer can be trusted with.

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
        return self.share is not None and self.share < _WHOLE

    @property
    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**self.proof.record, "share": self.share}


def proved(
    given: Given, layers: Sequence[Where], call: int, grid: Any, *, trusting: bool = False
) -> tuple[int, dict[str, Proof]]:
    """The run to explain, and for each layer whether its places lie where its grid says.

    Where the last run of a single layer lies elsewhere (it saw another picture, or this one
    mirrored) and nobody named a run, the first of its runs that is confirmed is taken.

    Who is `trusting`, as `prove` has it, asks `as_elsewhere` afterwards.
    """
    names = [resolve(given.model, layer)[0] for layer in layers]
    proofs = {name: prove(given, LayerRun(name, call, grid), trusting=trusting) for name in names}
    if call == -1 and len(names) == 1 and proofs[names[0]].outcome == "contradicted":
        for other in range(_MOST_RUNS):
            proof = prove(given, LayerRun(names[0], other, grid), trusting=trusting)
            if proof.outcome == "confirmed":
                return other, {names[0]: proof}
    return call, proofs


def as_elsewhere(given: Given, call: int, grid: Any, cuts: Sequence[TracedLayer]) -> bool:
    """Whether what was proved at another size of the picture holds: the grids scale as that does.

    True where nothing was taken over from another size.
    """
    return all(
        holds(given, LayerRun(cut.layer, call, grid), cut.grid, tuple(cut.activations.shape[2:]))
        for cut in cuts
    )
