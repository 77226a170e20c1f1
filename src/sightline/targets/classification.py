"""What is asked of a classifier: `target` in any of its forms becomes scores, one an image and question."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.aim import Aim, part
from sightline.targets.names import Target, checked, find_class, label
from sightline.targets.output import Output
from sightline.targets.outputs import Kind, logits, probabilities

Function = Callable[[Any], Tensor]
Wanted = int | str | Tensor | np.integer[Any] | np.ndarray[Any, np.dtype[Any]] | Function | Sequence[Any] | None
_TOP = re.compile(r"top[-_ ]?(\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """`n` questions asked of each of `b` images.

    `scores` `[n, b]` is what is explained, with its graph; `indices` `[b, n]` the classes and `confidence`
    `[b, n]` their probabilities (None for a function of the outputs); `targets[i][j]` says in words what was
    asked of image i. `several` tells whether the caller asked for more than one, `rows` are the logits, `single`
    tells that the model has one logit, whose negative stands for class 0. `top` are the five most probable classes.
    """

    scores: Tensor
    targets: list[list[Target]]
    several: bool
    indices: Tensor | None = None
    confidence: Tensor | None = None
    rows: Tensor | None = None
    single: bool = False
    top: list[list[tuple[Target, float]]] = field(default_factory=list)


def ask(
    target: Wanted,
    outputs: Any,
    *,
    classes: Sequence[str] | None = None,
    kind: Kind = "softmax",
    images: int | None = None,
    size: Sequence[int] | None = None,
) -> Question:
    """Put the target to the outputs of `images` images (None: as many as the outputs have rows) with `size` pixels.

    | target | asks |
    |---|---|
    | None, `"predicted"` | each image's own most probable class |
    | 281, `"tabby"` | one class of every image |
    | `"top3"` | each image's three most probable classes |
    | `"least"` | each image's least likely class |
    | `[281, "lens cap"]` | several classes of every image |
    | tensor `[b]`, tensor `[b, n]`, nested list | each image's own class, or n classes |
    | a function, a `Region`, `Box`, ... | one score an image, `[b]`, from whatever the model returned |

    A single logit (binary) has the classes 0 (negative: the score is -logit) and 1 (positive). Raises `TargetError`.

    >>> ask("top2", torch.tensor([[1.0, 3.0, 2.0]])).indices
    tensor([[1, 2]])
    >>> ask(None, torch.tensor([[-2.0]])).targets
    [[Target(index=0, name='negative')]]
    """
    while isinstance(target, Output):
        outputs, target = part(outputs, target.key), target.target
        if isinstance(outputs, Tensor) and outputs.ndim == 2 and classes is not None:  # names may be another head's
            classes = classes if len(classes) == outputs.shape[1] else None
    if (functions := _as_functions(target)) is not None:
        return _functions(functions, outputs, images, classes, size, several=isinstance(target, list | tuple))
    rows = logits(outputs)
    if images not in (None, len(rows)):
        raise TargetError(
            f"Expected a row of outputs for each of the {images} images; the model returned {len(rows)}. Say what "
            "belongs to which with a function of the outputs, one score an image: target=lambda out: out[...]."
        )
    single = rows.shape[1] == 1
    if single:  # against (0) and for (1)
        rows = torch.cat([-rows, rows], dim=1)
        classes = classes if classes is not None and len(classes) == 2 else ("negative", "positive")
        sure = probabilities(rows, "sigmoid")
    else:
        sure = probabilities(rows, kind)
    indices, several = _indices(target, rows.detach(), classes)
    indices = indices.to(rows.device)
    return Question(
        scores=rows.gather(1, indices).T,
        targets=[[Target(k, label(k, classes)) for k in row] for row in indices.tolist()],
        several=several,
        indices=indices,
        confidence=sure.gather(1, indices),
        rows=rows,
        single=single,
        top=_top(sure, classes),
    )


def beyond_classes(target: Wanted) -> bool:
    """Whether the outputs are asked by a function, or a list of them, and not for classes by name or number."""
    return _as_functions(target) is not None


def _as_functions(target: Wanted) -> list[Function] | None:
    if isinstance(target, list | tuple):
        return list(target) if target and all(callable(one) for one in target) else None
    return [target] if callable(target) and not isinstance(target, Tensor) else None


def _top(sure: Tensor, classes: Sequence[str] | None, most: int = 5) -> list[list[tuple[Target, float]]]:
    values, indices = sure.topk(min(most, sure.shape[1]), dim=1)
    return [
        [(Target(k, label(k, classes)), p) for k, p in zip(*row, strict=True)]
        for row in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def _indices(target: Wanted, rows: Tensor, classes: Sequence[str] | None) -> tuple[Tensor, bool]:
    """The classes asked of each image, `[b, n]`, and whether that is more than one question by form."""
    b, count = rows.shape
    if isinstance(target, range):
        target = list(target)
    if isinstance(target, np.ndarray):
        if target.dtype.kind not in "iu":
            raise TargetError(
                f"Expected class numbers as integers; got an array of {target.dtype}. Use .astype(int) or .argmax(1) "
                "on numbers; .tolist() on names asks them of every image."
            )
        target = torch.from_numpy(target.astype(np.int64))
    if isinstance(target, Tensor):
        return _of_tensor(target, b, count)
    if isinstance(target, list | tuple) and any(isinstance(one, list | tuple) for one in target):
        return _of_each(target, rows, classes)
    parts = list(target) if isinstance(target, list | tuple) else [target]
    if not parts:
        raise TargetError("Expected at least one target; got an empty list. Leave it out for the predicted class.")
    columns = [_of_all(one, rows, classes) for one in parts]
    return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1), isinstance(target, list | tuple) or _is_top(
        target
    )


def _of_tensor(target: Tensor, b: int, count: int) -> tuple[Tensor, bool]:
    if target.is_floating_point() or target.dtype == torch.bool:
        raise TargetError(f"Expected class numbers as integers; got {target.dtype}. Use .long() or .argmax(1).")
    if target.ndim not in (0, 1, 2) or (target.ndim and len(target) != b) or not target.numel():
        raise TargetError(
            f"Expected one class for each of the {b} images, a tensor [{b}] or [{b}, n]; got {tuple(target.shape)}. "
            "A list asks the same classes of every image."
        )
    for index in (target.min(), target.max()):
        checked(int(index), count)
    target = target.long().expand(b) if target.ndim == 0 else target.long()
    return (target, True) if target.ndim == 2 else (target.unsqueeze(1), False)


def _of_each(target: Sequence[Any], rows: Tensor, classes: Sequence[str] | None) -> tuple[Tensor, bool]:
    if len(target) != len(rows) or len({len(one) if isinstance(one, list | tuple) else -1 for one in target}) != 1:
        raise TargetError(
            f"Expected for each of the {len(rows)} images a list of equally many targets; "
            f"got {len(target)} entries. Fill up, or explain the images in groups."
        )
    each = [
        torch.cat([_of_all(one, row[None], classes) for one in own or [None]], dim=1)
        for own, row in zip(target, rows, strict=True)
    ]
    counts = [own.shape[1] for own in each] if target[0] else [0]
    if len(set(counts)) != 1 or counts[0] == 0:
        raise TargetError(
            f"Expected at least one class of each image, and equally many; the lists ask for {counts} ('top3' asks for "
            "three). Fill up, or explain the images in groups."
        )
    return torch.cat(each), True


def _of_all(one: Any, rows: Tensor, classes: Sequence[str] | None) -> Tensor:
    """One target, asked of every row: a column (or k of them for top-k)."""
    b, count = rows.shape
    if one is None or (isinstance(one, str) and one.lower() == "predicted"):
        return rows.argmax(1, keepdim=True)
    if isinstance(one, str) and one.lower() == "least":
        return rows.argmin(1, keepdim=True)
    if isinstance(one, str) and (top := _TOP.match(one.strip())):
        k = int(top[1])
        if not 1 <= k <= count:
            raise TargetError(f"Expected top1 to top{count} (the model has {count} outputs); got {one!r}.")
        return rows.topk(k, dim=1).indices
    if isinstance(one, str):
        index = find_class(one, classes, count)
    elif (isinstance(one, int | np.integer) and not isinstance(one, bool)) or (
        isinstance(one, Tensor) and one.ndim == 0
    ):
        index = checked(int(one), count)
    else:
        raise TargetError(
            "Expected a class number, a class name, 'top3', 'predicted' or a function of the outputs, or a list of "
            f"classes, or one of functions; got {type(one).__name__}"
            + (" among classes. Ask in two calls, or write the classes as functions too." if callable(one) else ".")
        )
    return torch.full((b, 1), index, device=rows.device)


def _is_top(target: Any) -> bool:
    return isinstance(target, str) and _TOP.match(target.strip()) is not None


def _functions(
    functions: list[Function], outputs: Any, images: int | None, classes: Sequence[str] | None,
    size: Sequence[int] | None, several: bool,
) -> Question:  # fmt: skip
    columns: list[Tensor] = []
    for function in functions:
        score = function(outputs, classes, size) if isinstance(function, Aim) else function(outputs)
        b = images if images is not None else len(columns[0]) if columns else None
        if not isinstance(score, Tensor) or score.ndim > 1 or b not in (None, score.numel()):
            came = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
            raise TargetError(
                f"Expected {_called(function)} to give one score an image, a tensor [{b or 'b'}]; it gave {came}. "
                "Sum over what belongs to one image: lambda out: out[:, 3].flatten(1).sum(1)."
            )
        columns.append(score.reshape(-1))
    targets = [[Target(None, _called(f)) for f in functions] for _ in range(len(columns[0]))]
    return Question(scores=torch.stack(columns), targets=targets, several=several)


def _called(function: Function) -> str:
    if isinstance(function, Aim):
        return str(function)
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", "a function"))
