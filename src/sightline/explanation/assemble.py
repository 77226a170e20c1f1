"""Maps become a result: with a status each, and the record of how they were made."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from sightline.errors import ModelError
from sightline.explanation.job import Job
from sightline.explanation.placed import Place
from sightline.explanation.plan import Step
from sightline.explanation.result import Explanation, PerTarget
from sightline.explanation.status import Status, Word, statuses
from sightline.images import assumption
from sightline.maps.upsample import Ends, extremes
from sightline.supply import version
from sightline.surgery import TracedLayer, first_nonfinite, nonfinite_weights
from sightline.targets import Question


@dataclass(frozen=True)
class NewMaps:
    """The maps a method made, `[n, b, ...]`: target by target, and image by image.

    `coarse` are signed, on the layer's own grid, `image` those on the input's, `pixels` the signed
    evidence of a method in pixel space. `ends` are the `extremes` of the coarse maps, where known.
    """

    coarse: Tensor
    image: Tensor
    pixels: Tensor | None = None
    ends: Ends | None = None


@dataclass(frozen=True)
class Origin:
    """Where maps come from: a layer (or `input`), and why that one.

    `traced` is the layer as it ran, where it was opened, or several that make one map; `connected`
    tells whether the scores depend on it, and is asked only where a map is zero; `place` is what is
    known of where it lies.
    """

    layer: str
    reason: str
    traced: tuple[TracedLayer, ...] = ()
    connected: Callable[[], bool] = lambda: True
    place: Place | None = None


THE_PICTURE = Origin("input", "the picture itself")


def assemble(
    job: Job,
    question: Question,
    step: Step,
    maps: NewMaps,
    origin: Origin,
    *,
    counts: Mapping[str, Sequence[int]] | None = None,
    notes: Sequence[str] = (),
) -> Explanation:
    """The explanation of one method at one layer.

    `counts` says for each word how often it happened in each of the n * b maps, target by target.
    """
    variant = job.variant(step.options)
    confidence = question.confidence
    held = PerTarget(
        maps=maps.image.transpose(0, 1),
        coarse=maps.coarse.transpose(0, 1),
        scores=question.scores.detach().T,
        probabilities=confidence,
        targets=question.targets,
        status=_status(job, question, maps, origin, counts or {}),
        pixels=None if maps.pixels is None else maps.pixels.transpose(0, 1),
    )
    return Explanation(
        **held.fields(question.several),
        layer=origin.layer,
        layer_reason=origin.reason,
        method=step.name,
        variant=variant,
        names=job.batch.names,
        provenance=_provenance(job, question, origin, step.name, variant, notes),
        several=question.several,
        top=question.top,
        inputs=job.batch.picture.detach(),
        sources=job.batch.sources,
        preprocess=job.card.preprocess,
    )


def _status(
    job: Job,
    question: Question,
    maps: NewMaps,
    origin: Origin,
    counts: Mapping[str, Sequence[int]],
) -> list[list[Status]]:
    """A status for each image and target. Pixels are judged by their magnitude."""
    n, b = maps.coarse.shape[:2]
    judged = maps.coarse if maps.pixels is None else maps.pixels.abs()
    flat = statuses(
        extremes(judged.flatten(0, 1)) if maps.ends is None else maps.ends,
        connected=origin.connected,
        layer=origin.layer,
        targets=[question.targets[i][j].name for j in range(n) for i in range(b)],
        counts=[{word: often[k] for word, often in counts.items()} for k in range(n * b)],
        scores=question.scores.flatten(),
        moves=(None if not question.quantity else "lowers" if job.counterfactual else "raises"),
        doubt=None if origin.place is None else _doubt(origin.place),
    )
    if any(one.word == "non-finite" for one in flat):
        flat = [_located(one, job) for one in flat]
    return [flat[i::b] for i in range(b)]


def _doubt(place: Place) -> tuple[Word, str] | None:
    """The status of a map in the wrong place, or of a part of the evidence, and what was seen."""
    if place.misplaced:
        return "place not confirmed", place.misplaced
    if place.partial and place.share is not None:
        return "part of the evidence", f"{place.share:.0%}"
    return None


def _located(status: Status, job: Job) -> Status:
    """A non-finite status names the first layer that is not finite; broken weights are an error."""
    if status.word != "non-finite":
        return status
    if (broken := nonfinite_weights(job.model)) is not None:
        raise ModelError(
            f"Expected finite weights; {broken!r} of {type(job.model).__name__} holds NaN or"
            " infinity, so every map would. Load an earlier checkpoint, or look for the step where"
            " training diverged."
        )
    where = first_nonfinite(job.model, job.batch.inputs)
    found = (
        f" The first to do so is {where!r}."
        if where
        else " The outputs are finite; the gradients are not."
    )
    return Status(status.word, status.message + found, status.counts)


@cache
def _versions() -> dict[str, str]:
    return {
        "sightline": version(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def _provenance(
    job: Job,
    question: Question,
    origin: Origin,
    method: str,
    variant: dict[str, Any],
    notes: Sequence[str],
) -> dict[str, Any]:
    """The record of how an explanation was made, as plain JSON values."""
    card, picture = job.card, job.batch.picture
    remarks = [*notes, *_remarks(job, question, origin), *_prepared(job)]
    return {
        **_versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "class": type(job.model).__name__,
            "name": card.name,
            "source": card.source,
            "licence": card.licence,
        },
        "input": {
            "shape": list(picture.shape),
            "dtype": str(picture.dtype),
            "device": str(picture.device),
            **({} if (axis := job.batch.channel_axis) == 1 else {"channel_axis": axis}),
        },
        "preprocess": card.preprocess.as_dict(),
        "layer": {
            "name": origin.layer,
            "reason": origin.reason,
            **_opened(origin.traced),
            "place": None if origin.place is None else origin.place.record,
        },
        "outputs": {**question.reading.record, "notes": list(question.notes)},
        "method": method,
        "variant": variant,
        "notes": list(dict.fromkeys(remarks)),
    }


def _remarks(job: Job, question: Question, origin: Origin) -> Iterator[str]:
    """What a reader of any method's map should know of the layer and of the outputs."""
    yield from question.notes
    if question.quantity:
        names = dict.fromkeys(target.name for row in question.targets for target in row)
        does = "lowers" if job.counterfactual else "raises"
        yield f"the outputs are quantities: the map shows what {does} {', '.join(names)}"
    for traced in origin.traced:
        if traced.calls > 1:
            yield (
                f"layer {traced.layer!r} ran {traced.calls} times; run {traced.call} (from 0) is"
                " explained"
            )
        if traced.grid.turn is not None:
            yield (
                f"the grid of layer {traced.layer!r} is {traced.grid.turn}: it is read so, since"
                " then its places lie on the picture"
            )
    if origin.place is not None and origin.place.proof.outcome == "undecided":
        yield f"place not checked: {origin.place.proof.seen}"


def _prepared(job: Job) -> Iterator[str]:
    """What was assumed where pictures were prepared; ready inputs only need it to be shown."""
    done = job.card.preprocess.for_channels(job.batch.picture.shape[1])
    if job.batch.sources is not None and (told := assumption(done)):
        yield told


def _opened(traced: Sequence[TracedLayer]) -> dict[str, Any]:
    """How a layer was opened; of several by their names."""
    if not traced:
        return {"grid": None, "calls": None, "call": None}
    rows = {one.layer: {"grid": _grid(one), "calls": one.calls, "call": one.call} for one in traced}
    return rows[traced[0].layer] if len(rows) == 1 else {**_together(rows), "parts": rows}


def _together(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of several layers the finest grid, which is the map's."""
    return max(rows.values(), key=lambda row: prod(row["grid"]["size"]))


def _grid(traced: TracedLayer) -> dict[str, Any]:
    turn = traced.grid.turn
    return {
        "kind": traced.grid.kind,
        "size": list(traced.activations.shape[2:]),
        "prefix": traced.grid.prefix,
        **({} if traced.grid.order is None else {"order": list(traced.grid.order)}),
        **({} if turn is None else {"turn": str(turn)}),
    }
