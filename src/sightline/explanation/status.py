"""Whether a map can be read at all, and if not, why: said in the result, never silently."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from torch import Tensor

Word = Literal[
    "ok",
    "no positive evidence",
    "no gradient",
    "non-finite",
    "place not confirmed",
    "part of the evidence",
]


@dataclass(frozen=True)
class Status:
    """The state of one map.

    `word` is `ok`, `no positive evidence` (the map is zero: nothing speaks for the class), `no
    gradient` (the score does not depend on the layer), `non-finite` (NaN or infinity; the message
    names the layer) or `place not confirmed` (the places of the layer do not lie where its grid
    says) or `part of the evidence` (other branches of the network carry the rest); the message says
    what was seen. `counts` says at how many places the method had to leave its formula (`clamped`,
    `guarded`).

    >>> print(Status("ok", counts={"clamped": 3}))
    ok (clamped at 3 places)
    """

    word: Word
    message: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the map says something."""
        return self.word == "ok"

    def __str__(self) -> str:
        counts = [f"{word} at {n} places" for word, n in self.counts.items() if n]
        return self.word + (f" ({', '.join(counts)})" if counts else "")


def statuses(
    ends: tuple[list[float], list[float]],
    *,
    connected: Callable[[], bool] = lambda: True,
    layer: str,
    targets: list[str],
    counts: list[dict[str, int]],
    scores: Tensor | None = None,
    moves: Literal["raises", "lowers"] | None = None,
    doubt: tuple[Word, str] | None = None,
) -> list[Status]:
    """One status for each of b coarse maps, whose least and largest values are the `ends`.

    `doubt` is a word about the layer's place, if there is any, and what was seen of it. A score
    `[b]` that is no number makes its map none either. `moves` says of a quantity what the map shows
    of it: it has nothing that speaks for it.

    >>> [
    ...     s.word
    ...     for s in statuses(
    ...         ([-1.0, -1.0], [1.0, 0.0]), layer="x", targets=["cat", "cat"], counts=[{}, {}]
    ...     )
    ... ]
    ['ok', 'no positive evidence']
    """
    low, high = ends
    values = high if scores is None else scores.tolist()
    found = []
    for least, peak, score, target, count in zip(low, high, values, targets, counts, strict=True):
        if not (
            isfinite(least) and isfinite(peak) and isfinite(score)
        ):  # nan, too, is the least and the largest
            word, message = _NONFINITE
        elif not peak > 0:
            word, message = _negative(moves) if connected() else _DEAD
        else:
            word, message = _OK if doubt is None else (doubt[0], _DOUBTS[doubt[0]])
        said = message.format(target=target, layer=layer, seen=doubt[1] if doubt else "")
        found.append(Status(word, said, count))
    return found


def _negative(moves: str | None) -> tuple[Word, str]:
    """The map is zero: in the words of classes, or of quantities."""
    if moves is None:
        return _NEGATIVE
    other, way = ("lowers", "True") if moves == "raises" else ("raises", "False")
    return _NEGATIVE[0], (
        f"No place at {{layer!r}} {moves} {{target!r}} on balance, so the map is zero."
        f" counterfactual={way} shows what {other} it; another layer, or hires_cam, may show more."
    )


_OK: tuple[Word, str] = ("ok", "")
_DOUBTS: dict[Word, str] = {
    "place not confirmed": (
        "The places of {layer!r} do not lie on the picture where the map shows them: {seen}. Name"
        " another layer, another run of it (call=0) or how it is read (grid=); place='unchecked'"
        " shows the map as it is."
    ),
    "part of the evidence": (
        "Of what comes back from the score to the picture {seen} comes through {layer!r}; the rest"
        " goes by other branches, which this map does not show. Name a layer behind the place where"
        " they join, or the branches together: layer='left + right'."
    ),
}
_NONFINITE: tuple[Word, str] = (
    "non-finite",
    (
        "The map of {target!r} at {layer!r}, or its score, holds NaN or infinity. Run in float32,"
        " and check the weights and the picture."
    ),
)
_DEAD: tuple[Word, str] = (
    "no gradient",
    (
        "The score of {target!r} does not depend on {layer!r}. Name a layer on the way to the"
        " output, and keep the score attached to it (no .detach(), no argmax)."
    ),
)
_NEGATIVE: tuple[Word, str] = (
    "no positive evidence",
    (
        "No place at {layer!r} speaks for {target!r} on balance, so the map is zero."
        " counterfactual=True shows what speaks against it; another layer, or hires_cam, may show"
        " more."
    ),
)
