"""A batch measured: a row for each image and method, with every number it is summarised from."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.evaluation.items import Item
from sightline.evaluation.measure import (
    COLUMNS,
    TRUTH,
    ExplainedBatch,
    LabelledBatch,
    Measurements,
)
from sightline.evaluation.notes import notes
from sightline.evaluation.sources import output_count
from sightline.evaluation.validate import RunRequest
from sightline.explanation.batch_size import AdaptiveBatches
from sightline.explanation.inputs import like_model
from sightline.metrics import Metric
from sightline.protocol import Protocol
from sightline.supply import options, requests
from sightline.targets import label as name_of
from sightline.types import Preprocess

MOST = 64
"""Maps that are larger than this along an axis, as those in pixel space are, are stored averaged
down to it.
"""


@dataclass
class Measurer:
    """Measures what comes, with what is asked for; smaller batches once memory has run out.

    The model is shown at most `batch_size` images at once. The number of its `outputs` is learned
    from the first image.
    """

    model: nn.Module
    request: RunRequest
    protocol: Protocol
    batch_size: int
    sizes: AdaptiveBatches
    preprocess: Preprocess | None = None
    outputs: int | None = None
    notes: dict[str, None] = field(default_factory=dict)
    """What a reader of the rows should know of how the outputs were read, each line once."""

    def rows(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        """The rows of some items."""
        if self.protocol.outputs == "value":  # a label is a quantity, too, and no class's number
            items = [replace(item, label=None, label_name=None) for item in items]
        if self.request.target is not None:
            self.outputs = 2  # of a function there are no classes to count
        self.outputs = self.outputs or output_count(self.model, items, self.protocol)
        return [row for rows in self.sizes.through(items, self._at_once) for row in rows]

    def _at_once(self, items: Sequence[Item]) -> list[dict[str, Any]]:
        return rows_of(
            self.model,
            items,
            self.request,
            self.protocol,
            outputs=self.outputs or 0,
            batch_size=min(self.batch_size, self.sizes.size),
            notes=self.notes,
            preprocess=self.preprocess,
        )


def rows_of(
    model: nn.Module,
    items: Sequence[Item],
    request: RunRequest,
    protocol: Protocol,
    *,
    outputs: int,
    batch_size: int,
    notes: dict[str, None],
    preprocess: Preprocess | None = None,
) -> list[dict[str, Any]]:
    """The rows of some items, in their order, a method after another; `notes` are added to."""
    found: dict[int, list[dict[str, Any]]] = {}
    groups: dict[tuple[int, ...], list[Item]] = {}
    for item in items:
        error = _unusable(item, protocol, outputs)
        if error is None and item.inputs is not None:
            groups.setdefault(tuple(item.inputs.shape), []).append(item)
        else:
            about = _about(item, protocol)
            names = (*request.names, *request.controls)
            found[item.number] = [{**about, "method": name, "error": error} for name in names]
    words = {word for metric in request.metrics for word in requests(metric.function)}
    for group in groups.values():
        explained = ExplainedBatch(
            model,
            _labelled(group, model),
            request.methods,
            protocol,
            controls=request.controls,
            columns={COLUMNS[word] for word in words if word in COLUMNS},
            outputs=outputs,
            batch_size=batch_size,
            preprocess=preprocess,
            target=request.target,
        )
        notes.update(dict.fromkeys(explained.notes))
        _measure(explained, Measurements(explained, words), group, request.metrics, found)
    return [row for item in items for row in found[item.number]]


def _unusable(item: Item, protocol: Protocol, outputs: int) -> str | None:
    if item.error is not None:
        return item.error
    if protocol.explained == "given" and item.label is None:
        came = (
            f"the class {item.label_name!r} is none of the model's"
            if item.label_name
            else "no class is given"
        )
        return (
            f"{item.name}: expected a given class to explain; {came}. Name it in the mapping of"
            " classes."
        )
    if item.label is not None and not 0 <= item.label < outputs:
        return (
            f"{item.name}: expected a class from 0 to {outputs - 1}; the label is {item.label}."
            " Mend the labels."
        )
    return None


def _labelled(group: Sequence[Item], model: nn.Module) -> LabelledBatch:
    return LabelledBatch(
        inputs=like_model(
            model, torch.stack([item.inputs for item in group if item.inputs is not None])
        ),
        items=[item.number for item in group],
        labels=[item.label for item in group],
        boxes=[item.boxes for item in group],
        masks=[item.masks for item in group],
        annotated=[item.annotated for item in group],
    )


def _measure(
    batch: ExplainedBatch,
    measurements: Measurements,
    group: Sequence[Item],
    metrics: Sequence[Metric],
    found: dict[int, list[dict[str, Any]]],
) -> None:
    classes = batch.classes.tolist()
    said = notes(batch.pictures, batch.card.preprocess, batch.protocol, measurements.wanted)
    for name in batch.names:
        supply = measurements.of(name)
        values = {
            metric.name: supply.call(
                metric.function, **protocol_options(metric.function, batch.protocol)
            )
            for metric in metrics
        }
        supply["full_score"]
        columns = {
            word: _as_numbers(tensor)
            for word, tensor in {**measurements.recorded(name), **values}.items()
        }
        located = [one.name for one in metrics if not TRUTH.isdisjoint(requests(one.function))]
        coarse, shapes = _coarse(batch, name)
        for i, item in enumerate(group):
            own = batch.labelled.boxes_of(i, classes[i])
            row = {
                **_about(item, batch.protocol, list(batch.pictures.shape[2:])),
                **_explained(batch, name, i),
                **{word: column[i] for word, column in columns.items()},
                "method": name,
                "coarse": coarse[i] if coarse else None,
                "coarse_shape": shapes,
                "boxes": None if own is None else own.tolist(),
                "notes": said,
            }
            if row["status"] == "place not confirmed":
                row |= dict.fromkeys(located)
            found.setdefault(item.number, []).append(row)


def protocol_options(function: Any, protocol: Protocol) -> dict[str, Any]:
    """The options of a metric that the protocol decides.

    >>> from sightline.metrics import average_drop
    >>> protocol_options(average_drop, Protocol(drop="absolute"))
    {'drop': 'absolute'}
    """
    return {name: getattr(protocol, name) for name in options(function) if hasattr(protocol, name)}


def _about(item: Item, protocol: Protocol, size: Sequence[int] = ()) -> dict[str, Any]:
    """What is known of an item without its maps; `size` is the picture's where it has one."""
    if not size and item.inputs is not None:
        size = item.inputs.shape[1:]
    place = item.placement
    return {
        "item": item.number,
        "image": item.name,
        "source": item.source,
        "tags": list(item.tags),
        "label": item.label,
        "label_name": item.label_name,
        "protocol": protocol.digest,
        "view_height": size[-2] if len(size) > 1 else None,
        "view_width": size[-1] if size else None,
        "placement": (
            None if place is None else [*place.photo, *place.resized, *place.offset, *place.view]
        ),
    }


def _explained(batch: ExplainedBatch, name: str, i: int) -> dict[str, Any]:
    """What was asked of an image, what the model says, and the state of the map.

    A control has no state.
    """
    asked = next(iter(batch.explanations.values())).per_target.targets[i][0]
    known: dict[str, Any] = {"target": asked.index, "target_name": asked.name}
    if batch.ranking[i]:  # a quantity is not predicted rather than another
        predicted = batch.ranking[i][0]
        known["predicted"] = predicted
        known["predicted_name"] = name_of(predicted, batch.card.classes)
    if name in batch.controls:
        return {**known, "layer": None, "status": "ok", "message": "", "counts": "{}"}
    one = batch.explanations[name]
    status = one.per_target.status[i][0]
    return {
        **known,
        "layer": one.layer,
        "status": status.word,
        "message": status.message,
        "counts": json.dumps({word: n for word, n in status.counts.items() if n}),
    }


def _coarse(batch: ExplainedBatch, name: str) -> tuple[list[list[float]] | None, list[int] | None]:
    coarse = batch.maps[name] if name in batch.controls else batch.coarse_of(name)
    coarse = coarse.detach().float().cpu()
    if max(coarse.shape[1:]) > MOST and coarse.ndim in (2, 3, 4):
        pool = getattr(torch.nn.functional, f"adaptive_avg_pool{coarse.ndim - 1}d")
        size = tuple(min(MOST, side) for side in coarse.shape[1:])
        coarse = pool(coarse.unsqueeze(1), size if len(size) > 1 else size[0]).squeeze(1)
    return coarse.flatten(1).tolist(), list(coarse.shape[1:])


def _as_numbers(values: Tensor) -> list[Any]:
    """Python numbers for a column; what is no number is None, so that rows can be compared."""
    return [_finite(value) for value in values.detach().double().cpu().tolist()]


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return value if math.isfinite(value) else None
