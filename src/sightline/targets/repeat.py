"""The same question, asked of other outputs: of masked pictures, of a layer with a channel less."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from sightline.errors import MethodError, TargetError
from sightline.targets.model_outputs import class_rows, two_rows
from sightline.targets.output import Output
from sightline.targets.question import Question, ask, beyond_classes
from sightline.targets.reading import Stated
from sightline.targets.target import Wanted, part
from sightline.tensors import scores_before


def ask_again(
    question: Question,
    target: Wanted,
    outputs: Any,
    versions: int,
    *,
    classes: Sequence[str] | None = None,
    kind: Stated = "softmax",
    size: Sequence[int] | None = None,
    probability: bool = False,
) -> Tensor:
    """The scores `[n, versions, b]` of the question, in the outputs of versions of its b images.

    The outputs have a row for each image of the first version, then the second, and so on. Classes
    are those that were found the first time: who asked for the predicted class is told of that one,
    whatever is predicted now. A function of the outputs is given one version after another, so that
    it sees the b images in their order. `probability` asks how sure the model is of the classes; a
    function has none (`MethodError`).

    >>> first = torch.tensor([[1.0, 3.0]])
    >>> ask_again(ask(None, first), None, torch.tensor([[5.0, 4.0], [0.0, 0.5]]), 2)
    tensor([[[4.0000], [0.5000]]])
    """
    while isinstance(target, Output):
        outputs, target = part(outputs, target.key), target.target
    if probability and (question.quantity or question.indices is None):
        raise MethodError(
            f"Expected classes to be sure of; the target is {question.without_softmax}, which has"
            " no probability. Ask for the score itself: leave probability=True or form='authors'"
            " out."
        )
    if question.indices is None or beyond_classes(target):
        if question.again is not None:
            target = question.again()
        count = len(question.scores[0])
        try:
            each = [
                ask(target, one, classes=classes, kind=kind, images=count, size=size).scores
                for one in _by_version(outputs, versions, count)
            ]
        except TargetError as error:
            raise TargetError(
                f"{error} (It was there in the picture itself; this is said of one that was"
                " changed: seen through a mask, noisy, or with other activations. Take a method"
                " that runs the model once, such as grad_cam_pp.)"
            ) from error
        return torch.stack(each, dim=1)
    rows = scores_again(question, outputs, versions, probability=probability)
    found: Tensor = rows.gather(1, question.indices.to(rows.device).repeat(versions, 1))
    return found.T.reshape(len(question.scores), versions, -1)


def scores_again(
    question: Question, outputs: Any, versions: int = 1, *, probability: bool = False
) -> Tensor:
    """The scores of all classes `[versions * b, k]`, read as they were the first time.

    What went into a softmax or a sigmoid is found where the outputs have a graph, and taken where
    it was the first time.
    """
    count = len(question.targets) * versions
    rows, _ = class_rows(outputs, _columns(question), count)
    reading = question.reading
    if probability:
        return reading.probabilities(rows)
    before = scores_before(rows) if question.inside else None
    scores = reading.logits(rows) if before is None else before
    return two_rows(scores) if question.single else scores


def _columns(question: Question) -> range | None:
    """As many as there were the first time."""
    return None if question.logits is None else range(question.logits.shape[1])


def _by_version(outputs: Any, versions: int, count: int) -> list[Any]:
    """The outputs of each version by itself; what has no row for each image is the same for all."""
    if versions == 1:
        return [outputs]
    return [
        _rows_of(outputs, slice(v * count, (v + 1) * count), versions * count)
        for v in range(versions)
    ]


def _rows_of(outputs: Any, rows: slice, total: int) -> Any:
    def cut(tensor: Tensor) -> Tensor:
        return tensor[rows] if tensor.ndim and len(tensor) == total else tensor

    if (
        isinstance(outputs, list)
        and len(outputs) == total
        and all(isinstance(one, Mapping) for one in outputs)
    ):
        return outputs[rows]  # a detector's list, an entry an image
    if is_dataclass(outputs) and not isinstance(outputs, type) and not isinstance(outputs, Mapping):
        return replace(
            outputs,
            **{
                one.name: _rows_of(getattr(outputs, one.name), rows, total)
                for one in fields(outputs)
            },
        )
    return tree_map_only(Tensor, cut, outputs)
