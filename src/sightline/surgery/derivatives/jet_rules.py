"""How each operator carries jets: a product, an activation, a norm; for the rest torch is asked."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.backward.operators import operator
from sightline.surgery.derivatives.decompositions import (
    FOR_JETS,
    scaled_and_shifted,
    standardised,
)
from sightline.surgery.derivatives.jets import (
    Coefficients,
    Jet,
    all_orders,
    along,
    by_torch,
    minus,
    product,
    softmax,
    softmax_parts,
    total,
)
from sightline.surgery.derivatives.nests import found_in
from sightline.surgery.derivatives.tape import Step


def play(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The player of a tape that carries jets (`Tape.play`)."""
    if next(found_in((args, kwargs), Jet), None) is None:
        return step.op(*args, **kwargs)
    return rule(step.name)(step.op, *args, **kwargs)


def rule(name: str) -> Callable[..., Any]:
    """How an operator of this name carries jets."""
    row = operator(name)
    if row.linear:
        return all_orders
    if row.elementwise:
        return partial(elementwise, row.pieces)
    return RULES.get(name, by_torch)


def elementwise(pieces: bool, op: Any, *args: Any, **kwargs: Any) -> Any:
    """An activation, whatever constants it takes besides; where two things move, torch is asked."""
    moving = [index for index, one in enumerate(args) if isinstance(one, Jet)]
    if len(moving) != 1:
        return by_torch(op, *args, **kwargs)
    index = moving[0]
    return along(lambda x: op(*args[:index], x, *args[index + 1 :], **kwargs), args[index], pieces)


def _add(op: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    """Sums. What stands still moves nothing, but may make it larger."""
    if isinstance(x, Jet) and isinstance(y, Jet):
        return all_orders(op, x, y, **kwargs)
    value = op(*(one.value if isinstance(one, Jet) else one for one in (x, y)), **kwargs)
    name, alpha = op._schema.name.removeprefix("aten::"), kwargs.get("alpha", 1)
    jet = x if isinstance(x, Jet) else y
    factor = (-1 if name == "sub" else 1) * alpha if jet is y else (-alpha if name == "rsub" else 1)
    moves = jet.linear(
        lambda one: (one if factor == 1 else factor * one).expand(value.shape)
    ).moves[1:]
    return Jet(value, *moves)


def _mul(op: Any, x: Any, y: Any) -> Any:
    return product(op, x, y)


def _div(op: Any, x: Any, y: Any, *, rounding_mode: str | None = None) -> Any:
    if rounding_mode is not None:
        return op(
            *(one.value if isinstance(one, Jet) else one for one in (x, y)),
            rounding_mode=rounding_mode,
        )
    return (
        product(torch.mul, x, along(torch.reciprocal, y))
        if isinstance(y, Jet)
        else x.linear(lambda one: op(one, y))
    )


def _addmm(op: Any, bias: Any, x: Any, y: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    if isinstance(bias, Jet) or (beta, alpha) != (1, 1):
        return by_torch(op, bias, x, y, beta=beta, alpha=alpha)
    return product(torch.matmul, x, y).plus(bias)


def _convolution(op: Any, x: Any, weight: Any, bias: Any, *rest: Any) -> Any:
    if isinstance(bias, Jet):
        return by_torch(op, x, weight, bias, *rest)
    found = product(lambda a, b: op(a, b, None, *rest), x, weight)
    return found if bias is None else found.plus(bias.reshape(-1, *[1] * (found.value.ndim - 2)))


def _softmax(op: Any, x: Jet, dim: int, half_to_float: bool = False) -> Any:
    return softmax(x, dim)


def _logsum(below: Coefficients) -> Coefficients:
    """Taylor coefficients of log(1 + d_1 t + d_2 t^2 + d_3 t^3)."""
    d1, d2, d3 = below
    if d1 is None:
        return [None, d2, d3]
    return [d1, total(d2, -d1 * d1 / 2), total(d3, minus(d1, d2), d1 * d1 * d1 / 3)]


def _log_softmax(op: Any, x: Jet, dim: int, half_to_float: bool = False) -> Jet:
    _, _, below = softmax_parts(x, dim)
    moves = []
    for one, less in zip(x.moves[1:], _logsum(below), strict=True):
        move = total(one, None if less is None else -less)
        # Of second order there may be the part of the sum alone: one number for all of an axis.
        moves.append(None if move is None else move.expand(x.value.shape))
    return Jet(x.value.log_softmax(dim), *moves)


def _logsumexp(op: Any, x: Jet, dim: Any, keepdim: bool = False) -> Any:
    dims = dim if isinstance(dim, list | tuple) else [dim]
    if len(dims) != 1:
        return by_torch(op, x, dim, keepdim)
    _, _, below = softmax_parts(x, dims[0])
    moves = [None if one is None or keepdim else one.squeeze(dims[0]) for one in _logsum(below)]
    return Jet(x.value.logsumexp(dims[0], keepdim), *(_logsum(below) if keepdim else moves))


def _group_norm(
    op: Any, x: Jet, weight: Any, bias: Any, n: int, c: int, size: int, groups: int, eps: float
) -> list[Any]:
    shape = x.value.shape
    found = standardised(x.linear(lambda one: one.reshape(n, groups, -1)), (-1,), eps).linear(
        lambda one: one.reshape(shape)
    )
    return scaled_and_shifted(found, weight, bias, (1, c, *[1] * (len(shape) - 2)))


def _max_pool(op: Any, x: Jet, *args: Any, **kwargs: Any) -> list[Any]:
    """The same position wins while t is small."""
    value, winners = op(x.value, *args, **kwargs)
    axes = 3 if "3d" in op._schema.name else 2
    at = winners.flatten(-axes)
    moves = [
        None if one is None else one.flatten(-axes).gather(-1, at).reshape(value.shape)
        for one in x.moves[1:]
    ]
    return [Jet(value, *moves), winners]


def _picked(op: Any, x: Jet, *args: Any, **kwargs: Any) -> Any:
    """The largest, the k largest, sorted: the same ones while t is small."""
    names = [argument.name for argument in op._schema.arguments]
    if "dim" not in names:  # of all numbers, or of two tensors
        return by_torch(op, x, *args, **kwargs)
    at = names.index("dim") - 1
    dim = kwargs.get("dim", args[at] if at < len(args) else -1)
    value, winners = op(x.value, *args, **kwargs)
    flat = value.ndim != x.value.ndim
    index = winners.unsqueeze(dim) if flat else winners

    def won(one: Tensor) -> Tensor:
        taken = one.gather(dim, index)
        return taken.squeeze(dim) if flat else taken

    return [Jet(value, *[None if one is None else won(one) for one in x.moves[1:]]), winners]


def _filled(op: Any, x: Any, second: Any, value: Any = 0, **kwargs: Any) -> Any:
    """`masked_fill` and `constant_pad_nd`: what is filled in stands still."""
    if isinstance(value, Jet):
        return by_torch(op, x, second, value, **kwargs)
    return Jet(
        op(x.value, second, value),
        *[None if one is None else op(one, second, 0) for one in x.moves[1:]],
    )


def _by_decomposition(op: Any, *args: Any, **kwargs: Any) -> Any:
    """On a tape such an operator stands in others already, which take jets."""
    return op(*args, **kwargs)


RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("add", "sub", "rsub"), _add),
    **dict.fromkeys(("mul", "mm", "bmm", "mv", "dot", "matmul"), _mul),
    "div": _div,
    "addmm": _addmm,
    "convolution": _convolution,
    "_softmax": _softmax,
    "_log_softmax": _log_softmax,
    "logsumexp": _logsumexp,
    "native_group_norm": _group_norm,
    "max_pool2d_with_indices": _max_pool,
    "max_pool3d_with_indices": _max_pool,
    "adaptive_max_pool2d": _max_pool,
    "adaptive_max_pool3d": _max_pool,
    **dict.fromkeys(("max", "min", "topk", "sort"), _picked),
    **dict.fromkeys(("masked_fill", "constant_pad_nd"), _filled),
    **dict.fromkeys(FOR_JETS, _by_decomposition),
}
"""By the name of the operator; of what is linear or elementwise the table of operators knows."""
