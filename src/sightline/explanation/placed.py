"""Which run of a layer is explained: the one whose places lie where its grid says."""

from collections.abc import Sequence
from typing import Any

from sightline.surgery import Given, LayerRun, Proof, Where, prove
from sightline.surgery.harness.resolve import resolve

_MOST_RUNS = 4


def proved(
    given: Given, layers: Sequence[Where], call: int, grid: Any
) -> tuple[int, dict[str, Proof]]:
    """The run to explain, and for each layer what is known of its place.

    Where the last run of a single layer lies elsewhere (it saw another picture, or this one
    mirrored) and nobody named a run, the first of its runs that is confirmed is taken.
    """
    names = [resolve(given.model, layer)[0] for layer in layers]
    proofs = {name: prove(given, LayerRun(name, call, grid)) for name in names}
    if call == -1 and len(names) == 1 and proofs[names[0]].outcome == "contradicted":
        for other in range(_MOST_RUNS):
            proof = prove(given, LayerRun(names[0], other, grid))
            if proof.outcome == "confirmed":
                return other, {names[0]: proof}
    return call, proofs
