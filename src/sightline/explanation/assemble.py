"""Maps become a result: enlarged, with a status each and the record of how they were made."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import DISTRIBUTION, ModelError
from sightline.explanation.inputs import Batch
from sightline.explanation.result import Explanation
from sightline.explanation.status import Status, statuses
from sightline.maps.upsample import Ends, extremes
from sightline.models import Card
from sightline.surgery import TracedLayer, first_nonfinite, nonfinite_weights
from sightline.targets import Question, look_like_probabilities


def assemble(
    *,
    model: nn.Module,
    card: Card,
    batch: Batch,
    question: Question,
    method: str,
    variant: dict[str, Any],
    layer: str,
    reason: str,
    coarse: Tensor,
    maps: Tensor,
    pixels: Tensor | None = None,
    connected: Callable[[], bool] = lambda: True,
    counts: dict[str, list[int]] | None = None,
    cut: TracedLayer | None = None,
    notes: list[str] | None = None,
    ends: Ends | None = None,
) -> Explanation:
    """The explanation of one method at one layer, from its maps `[n, b, *s]`, question by question.

    `ends` are the `extremes` of the coarse maps where they are known; pixels are judged by their
    magnitude. `counts` says for each word how often it happened in each of the n * b maps.
    """
    n, b = coarse.shape[:2]
    flat = statuses(
        (
            extremes((coarse if pixels is None else pixels.abs()).flatten(0, 1))
            if ends is None
            else ends
        ),
        connected=connected,
        layer=layer,
        targets=[question.targets[i][j].name for j in range(n) for i in range(b)],
        counts=[{word: told[k] for word, told in (counts or {}).items()} for k in range(n * b)],
        scores=question.scores.flatten(),
    )
    if any(one.word == "non-finite" for one in flat):
        flat = [_located(one, model, batch) for one in flat]
    status = [flat[j * b : (j + 1) * b] for j in range(n)]
    scores = question.scores.detach()
    several = question.several
    return Explanation(
        maps=_joined(maps, several),
        coarse=_joined(coarse, several),
        scores=scores.T if several else scores[0],
        probabilities=(
            None
            if question.confidence is None
            else question.confidence
            if several
            else question.confidence[:, 0]
        ),
        targets=[row if several else row[0] for row in question.targets],
        layer=layer,
        layer_reason=reason,
        method=method,
        variant=variant,
        status=[[status[j][i] for j in range(n)] if several else status[0][i] for i in range(b)],
        names=batch.names,
        provenance=_provenance(
            model, card, batch, question, method, variant, layer, reason, cut, notes or []
        ),
        several=several,
        top=question.top,
        pixels=None if pixels is None else _joined(pixels, several),
        inputs=batch.picture.detach(),
        sources=batch.sources,
        preprocess=card.preprocess,
    )


def _joined(maps: Tensor, several: bool) -> Tensor:
    return maps.transpose(0, 1) if several else maps[0]


def _located(status: Status, model: nn.Module, batch: Batch) -> Status:
    """A non-finite status that names the first layer which is not finite; broken weights are an
    error.
    """
    if status.word != "non-finite":
        return status
    if (broken := nonfinite_weights(model)) is not None:
        raise ModelError(
            f"Expected finite weights; {broken!r} of {type(model).__name__} holds NaN or infinity,"
            " so every map would. Load an earlier checkpoint, or look for the step where training"
            " diverged."
        )
    where = first_nonfinite(model, batch.inputs)
    found = (
        f" The first to do so is {where!r}."
        if where
        else " The outputs are finite; the gradients are not."
    )
    return Status(status.word, status.message + found, status.counts)


@cache
def _versions() -> dict[str, str]:
    return {
        "sightline": version(DISTRIBUTION),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def _provenance(
    model: nn.Module,
    card: Card,
    batch: Batch,
    question: Question,
    method: str,
    variant: dict[str, Any],
    layer: str,
    reason: str,
    cut: TracedLayer | None,
    notes: list[str],
) -> dict[str, Any]:
    picture = batch.picture
    notes = list(notes)
    if cut is not None and cut.calls > 1:
        notes.append(f"layer {layer!r} ran {cut.calls} times; run {cut.call} (from 0) is explained")
    if question.rows is not None and not question.single and look_like_probabilities(question.rows):
        notes.append(
            "the model's outputs look like probabilities; the papers explain the score before the"
            " softmax"
        )
    return {
        **_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "class": type(model).__name__,
            "name": card.name,
            "source": card.source,
            "licence": card.licence,
        },
        "input": {
            "shape": list(picture.shape),
            "dtype": str(picture.dtype),
            "device": str(picture.device),
        },
        "preprocess": {
            w: list(v) if isinstance(v, tuple) else v for w, v in vars(card.preprocess).items()
        },
        "layer": {
            "name": layer,
            "reason": reason,
            "grid": (
                None
                if cut is None
                else {
                    "kind": cut.grid.kind,
                    "size": list(cut.activations.shape[2:]),
                    "prefix": cut.grid.prefix,
                }
            ),
            "calls": None if cut is None else cut.calls,
            "call": None if cut is None else cut.call,
        },
        "method": method,
        "variant": variant,
        "notes": list(dict.fromkeys(notes)),
    }
