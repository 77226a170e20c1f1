"""Several scores in one backward pass: their gradients go through each operator together.

Behind a transformer's last block every class reads the same weights, and only the class token's row
of each gradient is not zero. Stand-ins for tensors carry that through autograd. Operators that
treat every row alike are computed for all scores at once, by the rules below; every other operator
is applied to one score's gradient after the other.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.backward.batched_tensors import Many, Rows, Slices, StandIn
from sightline.surgery.backward.operators import aten, zero_skipping
from sightline.surgery.backward.sparse import SparseBackward
from sightline.surgery.backward.sparse_products import THIN, thin
from sightline.surgery.harness.fallback import Foreseen


class NotBatched(Foreseen):
    """The scores part ways on the way back: one at a time."""


class BatchedScores(TorchDispatchMode):
    """While this is entered, autograd goes back from several scores at once."""

    def __init__(self, sparse: SparseBackward) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self.sparse = sparse

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _RULES and not _STAND_INS.isdisjoint(types):
            found = _RULES[func](func, *args, **kwargs)
            if found is not None:
                return found
        scores = max((_count(a) for a in (*args, *kwargs.values())), default=0)
        if not scores:
            return func(*args, **kwargs)
        if func._schema.is_mutable:
            raise NotBatched(f"{func} writes into a gradient: one score at a time")
        heads, each = self.sparse.heads, []
        for j in range(scores):
            self.sparse.heads = heads  # what was seen of an attention holds for each of the scores
            each.append(
                func(
                    *(_part(a, j) for a in args),
                    **{word: _part(a, j) for word, a in kwargs.items()},
                )
            )
        return _stacked(each)


def pack(seeds: Tensor) -> Rows:
    """The seeds `[n, b, k]` of n scores as one gradient `[b, k]`."""
    return Rows.of(seeds, torch.arange(seeds.shape[1], device=seeds.device), seeds.shape[1:])


def unpack(gradient: Tensor | None) -> Tensor | None:
    """What came back, as `[n, ...]`.

    Raises `NotBatched` where something on the way put a tensor in its place.
    """
    if gradient is not None and not isinstance(gradient, StandIn):
        raise NotBatched("a gradient of no single score came back: one score at a time")
    return None if gradient is None else torch.stack(gradient.parts)


def _count(value: Any) -> int:
    if isinstance(value, list | tuple):
        return max(map(_count, value), default=0)
    return len(value.parts) if isinstance(value, StandIn) else 0


def _part(value: Any, j: int) -> Any:
    if isinstance(value, StandIn):
        return value.parts[j]
    return type(value)(_part(one, j) for one in value) if isinstance(value, list | tuple) else value


def _stacked(each: list[Any]) -> Any:
    """The results of n scores as one; what is no tensor has to be the same for all of them."""
    first = each[0]
    if all(isinstance(one, Tensor) for one in each) and len({one.shape for one in each}) == 1:
        return Many.of(each)
    if isinstance(first, tuple | list):
        return type(first)(_stacked(list(column)) for column in zip(*each, strict=True))
    if any(isinstance(one, Tensor) or one != first for one in each):
        raise NotBatched("the scores part ways: one score at a time")
    return first


def _mm(_: Any, left: Tensor, right: Tensor) -> Tensor | None:
    if not isinstance(left, Rows) or isinstance(right, StandIn) or left.ndim != 2:
        return None
    values = left.rows.flatten(0, 1)
    made = thin(values, right) if len(values) <= THIN else values @ right
    return Rows.of(
        made.unflatten(0, left.rows.shape[:2]), left.positions, (left.shape[0], right.shape[1])
    )


def _elementwise(func: Any, grad: Tensor, kept: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
    """An activation: its derivative is zero where the gradient is."""
    if not isinstance(grad, Rows) or isinstance(kept, StandIn) or kept.shape != grad.shape:
        return None
    some = kept.flatten(0, -2)[grad.positions].expand_as(grad.rows)
    return Rows.of(func(grad.rows, some, *args, **kwargs), grad.positions, grad.shape)


def _layer_norm(
    func: Any,
    grad: Tensor,
    kept: Tensor,
    over: list[int],
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: list[bool],
) -> tuple[Tensor, None, None] | None:
    if not isinstance(grad, Rows) or len(over) != 1 or mask[1] or mask[2]:
        return None
    n = len(grad.rows)
    some = [one.flatten(0, -2)[grad.positions].repeat(n, 1) for one in (kept, mean, rstd)]
    made = func(grad.rows.flatten(0, 1), some[0], over, *some[1:], weight, bias, mask)[0]
    return Rows.of(made.view_as(grad.rows), grad.positions, grad.shape), None, None


def _add(_: Any, left: Any, right: Any, **kwargs: Any) -> Tensor | None:
    if isinstance(left, Slices) and isinstance(right, Slices) and not kwargs:
        same = left.shape == right.shape and left.axis == right.axis
        if same and left.by_index.keys().isdisjoint(right.by_index):
            return Slices.of(left.by_index | right.by_index, left.axis, left.shape)
    if (
        not (isinstance(left, Rows) and isinstance(right, Rows) and left.shape == right.shape)
        or kwargs
    ):
        return None
    return (
        Rows.of(left.rows + right.rows, left.positions, left.shape)
        if torch.equal(left.positions, right.positions)
        else None
    )


def _mul(_: Any, left: Any, right: Any) -> Tensor | None:
    """Times a number, or one for each column."""
    if not isinstance(left, Rows):
        return None
    if isinstance(right, int | float):
        return Rows.of(left.rows * right, left.positions, left.shape)
    if (
        isinstance(right, StandIn)
        or right.shape[-1:] != left.shape[-1:]
        or right.numel() != right.shape[-1]
    ):
        return None
    return Rows.of(left.rows * right.flatten(), left.positions, left.shape)


def _select(_: Any, grad: Tensor, sizes: list[int], dim: int, index: int) -> Tensor | None:
    """The gradient of one slice: of a class token; of queries among keys and values beside them."""
    dim %= len(sizes)
    if isinstance(grad, Many):
        return Slices.of({index % sizes[dim]: grad.parts}, dim, sizes)
    if not isinstance(grad, Rows) or dim == len(sizes) - 1:
        return None
    return Rows.of(
        grad.rows,
        _positions(sizes[:-1], grad.positions).select(dim, index).flatten()[grad.positions],
        sizes,
    )


def _view(_: Any, grad: Tensor, shape: list[int]) -> Tensor | None:
    """Another shape of the leading axes: the rows keep their order."""
    if not isinstance(grad, Rows) or not shape or shape[-1] != grad.shape[-1]:
        return None
    return Rows.of(grad.rows, grad.positions, shape)


def _reordered(func: Any, grad: Tensor, *axes: Any) -> Tensor | None:
    """Another order of the leading axes, or one more or less of length 1."""
    if not isinstance(grad, Rows):
        return None
    # An axis of length 1 stands for that of the rows' own numbers.
    rows = func(_positions(grad.shape[:-1], grad.positions).unsqueeze(-1), *axes)
    shape = func(torch.empty(grad.shape, dtype=torch.float32, device="meta"), *axes).shape
    if shape[-1] != grad.shape[-1] or rows.shape[:-1] != shape[:-1]:
        return None
    order = rows.flatten()
    there = torch.empty_like(order).index_copy_(
        0, order, torch.arange(len(order), device=order.device)
    )
    return Rows.of(grad.rows, there[grad.positions], shape)


def _same(_: Any, grad: Tensor, **__: Any) -> Tensor | None:
    return Rows.of(grad.rows, grad.positions, grad.shape) if isinstance(grad, Rows) else None


def _same_size(_: Any, one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape


def _positions(lead: Sequence[int], like: Tensor) -> Tensor:
    return torch.arange(math.prod(lead), device=like.device).view(*lead)


_STAND_INS: frozenset[Any] = frozenset({Rows, Slices, Many})
_aten = torch.ops.aten
_RULES: dict[Any, Callable[..., Any]] = {
    aten("is_same_size"): _same_size,
    aten("mm"): _mm,
    _aten.add.Tensor: _add,
    _aten.mul.Tensor: _mul,
    aten("select_backward"): _select,
    aten("native_layer_norm_backward"): _layer_norm,
    **dict.fromkeys((aten("detach"), aten("clone")), _same),
    _aten.transpose.int: _reordered,
    aten("permute"): _reordered,
    aten("unsqueeze"): _reordered,
    _aten.squeeze.dim: _reordered,
    _aten.squeeze.dims: _reordered,
    **dict.fromkeys((aten("view"), aten("_unsafe_view")), _view),
    **dict.fromkeys(zero_skipping(), _elementwise),
}
