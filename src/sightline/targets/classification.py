"""Which classes are asked of each image: `target` in any of its forms that name classes."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_names import checked_index, find_class
from sightline.targets.target import Wanted

_TOP = re.compile(r"top[-_ ]?(\d+)$", re.IGNORECASE)


def indices_of(target: Wanted, rows: Tensor, classes: Sequence[str] | None) -> tuple[Tensor, bool]:
    """The classes asked of each image, `[b, n]`, and whether the form asks for several."""
    b, count = rows.shape
    if isinstance(target, range):
        target = list(target)
    if isinstance(target, np.ndarray):
        if target.dtype.kind not in "iu":
            raise TargetError(
                f"Expected class numbers as integers; got an array of {target.dtype}. Use"
                " .astype(int) or .argmax(1) on numbers; .tolist() on names asks them of every"
                " image."
            )
        target = torch.from_numpy(target.astype(np.int64))
    if isinstance(target, Tensor):
        return _of_tensor(target, b, count)
    if isinstance(target, list | tuple) and any(isinstance(one, list | tuple) for one in target):
        return _of_each(target, rows, classes)
    parts = list(target) if isinstance(target, list | tuple) else [target]
    if not parts:
        raise TargetError(
            "Expected at least one target; got an empty list. Leave it out for the predicted class."
        )
    columns = [_of_all(one, rows, classes) for one in parts]
    several = isinstance(target, list | tuple) or is_top(target)
    return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1), several


def _of_tensor(target: Tensor, b: int, count: int) -> tuple[Tensor, bool]:
    if target.is_floating_point() or target.dtype == torch.bool:
        raise TargetError(
            f"Expected class numbers as integers; got {target.dtype}. Use .long() or .argmax(1)."
        )
    if target.ndim not in (0, 1, 2) or (target.ndim and len(target) != b) or not target.numel():
        raise TargetError(
            f"Expected one class for each of the {b} images, a tensor [{b}] or [{b}, n]; got"
            f" {tuple(target.shape)}. A list asks the same classes of every image."
        )
    for index in (target.min(), target.max()):
        checked_index(int(index), count)
    target = target.long().expand(b) if target.ndim == 0 else target.long()
    return (target, True) if target.ndim == 2 else (target.unsqueeze(1), False)


def _of_each(
    target: Sequence[Any], rows: Tensor, classes: Sequence[str] | None
) -> tuple[Tensor, bool]:
    lengths = {len(one) if isinstance(one, list | tuple) else -1 for one in target}
    if len(target) != len(rows) or len(lengths) != 1:
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
            "Expected at least one class of each image, and equally many; the lists ask for"
            f" {counts} ('top3' asks for three). Fill up, or explain the images in groups."
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
            raise TargetError(
                f"Expected top1 to top{count} (the model has {count} outputs); got {one!r}."
            )
        return rows.topk(k, dim=1).indices
    if isinstance(one, str):
        index = find_class(one, classes, count)
    elif (isinstance(one, int | np.integer) and not isinstance(one, bool)) or (
        isinstance(one, Tensor) and one.ndim == 0
    ):
        index = checked_index(int(one), count)
    else:
        raise TargetError(
            "Expected a class number, a class name, 'top3', 'predicted' or a function of the"
            f" outputs, or a list of classes, or one of functions; got {type(one).__name__}"
            + (
                " among classes. Ask in two calls, or write the classes as functions too."
                if callable(one)
                else "."
            )
        )
    return torch.full((b, 1), index, device=rows.device)


def names_no_class(target: Any) -> bool:
    """Whether it is left to the model which class is asked: nothing, `"top3"`, a list of these.

    >>> names_no_class(None), names_no_class(["top3", 2])
    (True, False)
    """
    if isinstance(target, list | tuple):
        return bool(target) and all(map(names_no_class, target))
    named = isinstance(target, str) and target.lower() in ("predicted", "least")
    return target is None or named or is_top(target)


def is_top(target: Any) -> bool:
    """Whether this is `"top3"` or another of that form."""
    return isinstance(target, str) and _TOP.match(target.strip()) is not None
