"""Which feature maps are stages of the network: no pools, no insides of a block, none of the head's
maps of classes.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.layers.candidates import Candidate

_HEAD = re.compile(r"Conv|Linear")


def stages(rows: list[Candidate], outputs: Any, logits: Tensor) -> list[Candidate]:
    """The rows worth explaining: real feature maps, before the head. `logits` are what the
    `outputs` say.
    """
    rows = [row for row in rows if math.prod(row.grid.size) > 1 and row.grid.certain] or rows
    made = [row for row in rows if not row.passes_on and not row.inside] or rows
    if detections(
        outputs
    ):  # found on one level of a pyramid or another; before it there is what all depend on
        made = [row for row in made if not row.level] or made
    if not _features(outputs):
        made = _before_the_head(made, logits)
    if (
        made[-1].grid.kind == "tokens"
    ):  # the residual stream keeps its width; projections inside a block do not
        width = _stream(made)
        made = [row for row in made if row.grid.kind != "tokens" or row.channels == width]
    return made


def _before_the_head(rows: list[Candidate], logits: Tensor) -> list[Candidate]:
    """Without the maps of classes: a convolution or a linear layer at each place, and what it goes
    through alone.

    A network without a head returns the mean of its features; what made them is a block, or a norm,
    and stays.
    """
    answers = [place for place, row in enumerate(rows) if _is_class_map(row, logits)]
    for place in (answers[-1], answers[-1] - 1) if answers else ():
        if (
            place > 0
            and _HEAD.search(rows[place].kind)
            and rows[place].channels == rows[answers[-1]].channels
        ):
            rows = rows[:place]
            break
    if (
        logits.ndim > 2
    ):  # a map, and perhaps those of other heads beside it, or several that are added
        rows = [row for row in rows if not _is_class_map(row, logits)] or rows
        while (
            len(rows) > 1 and rows[-1].channels == logits.shape[1] and _HEAD.search(rows[-1].kind)
        ):
            rows = rows[:-1]
    return rows


def _stream(rows: list[Candidate]) -> int:
    """How wide the last tokens are, as a rule: a head on each may end in other widths."""
    widths = Counter(row.channels for row in rows if row.grid.size == rows[-1].grid.size)
    return widths.most_common(1)[0][0]


def detections(outputs: Any) -> bool:
    """Whether these are torchvision's: for each image a mapping with boxes."""
    return isinstance(outputs, list) and all(
        isinstance(one, Mapping) and "boxes" in one for one in outputs
    )


def _features(outputs: Any) -> bool:
    """Whether a model without a head returned these: then its last map is none of classes."""
    held = outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})
    return "last_hidden_state" in held and "logits" not in held


def _is_class_map(row: Candidate, logits: Tensor) -> bool:
    """Whether this map is what the model says, or pooling it gives that: its channels are classes,
    the head itself.

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
