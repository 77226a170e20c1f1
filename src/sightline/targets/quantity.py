"""Outputs that are quantities: an age, a dose, a depth. What raises one, and what lowers it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_maps import dense
from sightline.targets.classification import indices_of, is_top
from sightline.targets.model_outputs import candidates, logits
from sightline.targets.segmentation import Region
from sightline.targets.target import Function, Names, Wanted


@dataclass(frozen=True)
class Quantities:
    """Which quantities are asked of each image, `[b, n]`, and what they are called.

    `rows` `[b, k]` are the quantities; None where there is one at every place, `[b, k, *s]`.
    """

    rows: Tensor | None
    indices: Tensor
    several: bool
    names: Sequence[str]


def quantities_meant(target: Wanted, outputs: Any, names: Names) -> Quantities:
    """Every form of a target that names outputs, as quantities.

    A single one need not be named. Of several nothing says which, as a softmax would: none is
    predicted, and a `TargetError` asks for it.

    >>> quantities_meant(None, torch.tensor([[37.0]]), ["age"]).names
    ['age']
    >>> quantities_meant([1, 0], torch.tensor([[37.0, 1.8]]), None).indices
    tensor([[1, 0]])
    """
    rows = _rows(outputs)
    b, count = len(dense(outputs)) if rows is None else len(rows), _count(outputs, rows)
    names = names if names is not None and len(names) == count else _unnamed(count)
    if count > 1 and _leaves_open(target):
        raise TargetError(
            f"Expected one of the model's {count} quantities ({_listed(names)}); got"
            f" {'none' if target is None else repr(target)}, and no quantity is predicted rather"
            " than another. Say which: target=0, a name of classes=, or a list of them."
        )
    try:
        stand_in = (
            torch.zeros(b, count, dtype=torch.float32, device="cpu")
            if rows is None
            else rows.detach()
        )
        indices, several = indices_of(target, stand_in, names)
    except TargetError as error:
        raise TargetError(
            f"Expected a number from 0 to {count - 1} or a name among the model's quantities"
            f" ({_listed(names)}); got {target!r}. With outputs='value' the outputs are read as"
            " quantities."
        ) from error
    return Quantities(rows, indices, several, names)


def checked_quantities(names: Sequence[str], outputs: Any) -> Sequence[str]:
    """The names a caller gave, if there is one for each quantity.

    >>> checked_quantities(["age"], torch.zeros(2, 1))
    ['age']
    """
    count = _count(outputs, _rows(outputs))
    if len(names) == count:
        return names
    raise TargetError(
        f"Expected {count} name{'s' if count > 1 else ''}, one for each quantity in the model's"
        f" outputs; got {len(names)}. Give them in the order of the outputs, or leave classes= out."
    )


def as_quantities(asked: Function) -> Function:
    """A question that is told that no classes are predicted."""
    return replace(asked, outputs="value") if isinstance(asked, Region) else asked


def _rows(outputs: Any) -> Tensor | None:
    """The quantities `[b, k]`; None where there are only such at every place."""
    found = [one for one in candidates(outputs, "logits") if isinstance(one, Tensor)]
    flat = any(one.is_floating_point() and one.ndim in (1, 2) for one in found)
    if not flat and any(one.is_floating_point() and one.ndim >= 4 for one in found):
        return None
    return logits(outputs)


def _count(outputs: Any, rows: Tensor | None) -> int:
    return (dense(outputs) if rows is None else rows).shape[1]


def _unnamed(count: int) -> list[str]:
    return ["value"] if count == 1 else [f"value {k}" for k in range(count)]


def _leaves_open(target: Wanted) -> bool:
    """Whether a target leaves it to the model which of the outputs is meant."""
    if isinstance(target, list | tuple):
        return any(_leaves_open(one) for one in target)
    if not isinstance(target, str):
        return target is None
    return target.strip().lower() in ("predicted", "least") or is_top(target)


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
