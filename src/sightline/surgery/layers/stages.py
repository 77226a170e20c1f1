"""Which feature maps are stages of the network: no pools, no insides of a block, no class maps."""

import math
import re
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.harness.model_io import are_detections, are_features, tensors_in
from sightline.surgery.layers.candidates import Candidate

_HEAD = re.compile(r"Conv|Linear")


def stages(rows: list[Candidate], outputs: Any, logits: Tensor) -> list[Candidate]:
    """The rows worth explaining: real feature maps, before the head.

    `logits` are what the `outputs` say.
    """
    rows = [row for row in rows if math.prod(row.grid.size) > 1 and row.grid.certain] or rows
    kept = [row for row in rows if not row.passes_on and not row.inside] or rows
    if are_detections(outputs):
        # Found on one level of a pyramid or another; before it there is what all depend on.
        kept = [row for row in kept if not row.level] or kept
    if not are_features(outputs):
        kept = _without_maps_beside(_before_the_head(kept, logits), outputs, logits)
    if kept[-1].grid.kind == "tokens":
        # The residual stream keeps its width; projections inside a block do not.
        width = _stream_width(kept)
        kept = [row for row in kept if row.grid.kind != "tokens" or row.channels == width]
    return kept


def _before_the_head(rows: list[Candidate], logits: Tensor) -> list[Candidate]:
    """Without the class maps: those of a convolution or a linear layer at each position.

    What such a map goes through alone (a ReLU, a pool) comes off with it. A network without a head
    returns the mean of its features; what made them is a block, or a norm, and stays.
    """
    class_maps = [index for index, row in enumerate(rows) if _is_class_map(row, logits)]
    if class_maps:
        last = class_maps[-1]
        for index in (last, last - 1):  # the head's own map, or the ReLU it goes through
            head = rows[index]
            if index > 0 and _HEAD.search(head.kind) and head.channels == rows[last].channels:
                # What runs behind it and has other channels belongs to another head.
                others = [row for row in rows[index:] if row.channels != head.channels]
                rows = rows[:index] + others
                break
    if logits.ndim > 2:
        # A map, and perhaps those of other heads beside it, or several that are added.
        rows = [row for row in rows if not _is_class_map(row, logits)] or rows
        while len(rows) > 1 and _gives_classes(rows[-1], logits):
            rows = rows[:-1]
    return rows


def _without_maps_beside(rows: list[Candidate], outputs: Any, logits: Tensor) -> list[Candidate]:
    """Without the class maps that are returned beside a classifier's logits.

    A convolution made them; stages that are handed out as features are blocks or activations.
    """
    if logits.ndim != 2:
        return rows
    beside = [one for one in tensors_in(outputs) if one.ndim >= 4 and one.is_floating_point()]
    return [
        row
        for row in rows
        if not (_HEAD.search(row.kind) and any(_is_class_map(row, maps) for maps in beside))
    ] or rows


def _gives_classes(row: Candidate, logits: Tensor) -> bool:
    return row.channels == logits.shape[1] and bool(_HEAD.search(row.kind))


def _stream_width(rows: list[Candidate]) -> int:
    """How wide the last tokens are, as a rule: a head on each may end in other widths."""
    widths = Counter(row.channels for row in rows if row.grid.size == rows[-1].grid.size)
    return widths.most_common(1)[0][0]


def _is_class_map(row: Candidate, logits: Tensor) -> bool:
    """Whether this map is what the model says, or pooling it gives that: its channels are classes.

    Outputs that are maps themselves may have been enlarged, which hardly changes their mean.
    """
    if row.mean is None:
        return False
    if logits.ndim == len(row.grid.size) + 1 and logits.shape[0] == row.mean.shape[0]:
        logits = logits.unsqueeze(1)  # a map of depths, say
    if logits.ndim < len(row.grid.size) + 2:
        return row.mean.shape == logits.shape and torch.allclose(
            row.mean, logits.float(), rtol=1e-3, atol=1e-5
        )
    means = logits.float().flatten(2).mean(2)
    if row.mean.shape != means.shape:
        return False
    return row.grid.size == tuple(logits.shape[2:]) or bool(
        (row.mean - means).norm() <= 0.05 * means.norm()
    )
