"""How each operator carries jets: linear, product, activation, softmax, norm; for the rest torch is
asked.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.derivatives.jets import (
    ORDER,
    Jet,
    along,
    by_torch,
    product,
    times,
    together,
    total,
)
from sightline.surgery.derivatives.tape import Step, Untaped, found_in
from sightline.tensors import per_channel

LINEAR = frozenset(
    {
        "view",
        "_unsafe_view",
        "reshape",
        "_reshape_alias",
        "expand",
        "permute",
        "transpose",
        "t",
        "slice",
        "select",
        "squeeze",
        "unsqueeze",
        "mean",
        "sum",
        "clone",
        "alias",
        "_to_copy",
        "neg",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "_adaptive_avg_pool2d",
        "_adaptive_avg_pool3d",
        "cat",
        "stack",
        "flip",
        "roll",
        "split",
        "split_with_sizes",
        "unbind",
        "chunk",
        "im2col",
        "col2im",
        "pixel_shuffle",
        "pixel_unshuffle",
        "channel_shuffle",
        "cumsum",
        "unfold",
        "repeat",
        "diagonal",
        "index_select",
        "index",
        "gather",
        "where",
        "tril",
        "triu",
        "upsample_nearest1d",
        "upsample_nearest2d",
        "upsample_nearest3d",
        "_upsample_nearest_exact2d",
        "upsample_linear1d",
        "upsample_bilinear2d",
        "upsample_trilinear3d",
        "upsample_bicubic2d",
        "_upsample_bilinear2d_aa",
        "_upsample_bicubic2d_aa",
        "reflection_pad1d",
        "reflection_pad2d",
        "reflection_pad3d",
        "replication_pad1d",
        "replication_pad2d",
        "replication_pad3d",
        "contiguous",
        "native_dropout",
        "lift_fresh",
    }
)
"""Linear in everything that moves."""

STRAIGHT = frozenset(
    {
        "relu",
        "relu6",
        "hardsigmoid",
        "leaky_relu",
        "hardtanh",
        "threshold",
        "_prelu_kernel",
        "rrelu",
        "abs",
        "clamp",
        "clamp_min",
        "clamp_max",
    }
)
"""Made of straight pieces, each number by itself: two pieces meet where nobody ever stands."""

CURVED = frozenset(
    {
        "silu",
        "gelu",
        "hardswish",
        "sigmoid",
        "tanh",
        "softplus",
        "elu",
        "celu",
        "selu",
        "mish",
        "log_sigmoid",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "pow",
        "square",
        "sin",
        "cos",
        "erf",
        "erfc",
        "atan",
        "tan",
        "sinh",
        "cosh",
        "softshrink",
        "hardshrink",
    }
)
"""Curved, each number by itself."""


def play(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The player of a tape that carries jets (`Tape.play`)."""
    if next(found_in((args, kwargs), Jet), None) is None:
        return step.op(*args, **kwargs)
    return rule(step.name)(step.op, *args, **kwargs)


def rule(name: str) -> Callable[..., Any]:
    """How an operator of this name carries jets."""
    if name in LINEAR:
        return together
    if name in STRAIGHT or name in CURVED:
        return partial(each, name in STRAIGHT)
    return RULES.get(name, by_torch)


def each(straight: bool, op: Any, *args: Any, **kwargs: Any) -> Any:
    """An activation, whatever constants it takes besides; where two things move, torch is asked."""
    moving = [index for index, one in enumerate(args) if isinstance(one, Jet)]
    if len(moving) != 1:
        return by_torch(op, *args, **kwargs)
    index = moving[0]
    return along(
        lambda x: op(*args[:index], x, *args[index + 1 :], **kwargs), args[index], straight
    )


def _fitted(op: Any, x: Any, y: Any, **kwargs: Any) -> Any:
    """Sums. What stands still moves nothing, but may make it larger."""
    if isinstance(x, Jet) and isinstance(y, Jet):
        return together(op, x, y, **kwargs)
    value = op(*(one.value if isinstance(one, Jet) else one for one in (x, y)), **kwargs)
    name, alpha = op._schema.name.removeprefix("aten::"), kwargs.get("alpha", 1)
    jet = x if isinstance(x, Jet) else y
    factor = (-1 if name == "sub" else 1) * alpha if jet is y else (-alpha if name == "rsub" else 1)
    moves = jet.linear(
        lambda one: (one if factor == 1 else factor * one).expand(value.shape)
    ).moves[1:]
    return Jet(value, *moves)


def _mul(op: Any, x: Any, y: Any) -> Jet:
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


def _still(one: Any) -> Any:
    if isinstance(one, Jet):
        raise Untaped("an operator bends where no rule for jets was expected")
    return one


def _addmm(op: Any, bias: Any, x: Any, y: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    if isinstance(bias, Jet) or (beta, alpha) != (1, 1):
        return by_torch(op, bias, x, y, beta=beta, alpha=alpha)
    return product(torch.matmul, x, y).plus(bias)


def _convolution(op: Any, x: Any, weight: Any, bias: Any, *rest: Any) -> Any:
    if isinstance(bias, Jet):
        return by_torch(op, x, weight, bias, *rest)
    found = product(lambda a, b: op(a, b, None, *rest), x, weight)
    return found if bias is None else found.plus(per_channel(bias, found.value.ndim))


def _softmax_parts(x: Jet, dim: int) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
    """The probabilities p, and the Taylor coefficients of p exp(x - x_0) and of their sum."""
    p = x.value.softmax(dim)
    x1, x2, x3 = x.moves[1:]
    u1, u2, u3 = x1, x2, x3
    if x1 is not None:
        u2, u3 = (
            total(x2, x1 * x1 / 2),
            total(x3, None if x2 is None else x1 * x2, x1 * x1 * x1 / 6),
        )
    above = [times(p, one) for one in (u1, u2, u3)]
    return p, above, [None if one is None else one.sum(dim, keepdim=True) for one in above]


def _softmax(op: Any, x: Jet, dim: int, half_to_float: bool = False) -> Jet:
    y, above, below = _softmax_parts(x, dim)
    found: list[Tensor | None] = [y]
    for order in range(ORDER):  # y times its denominator is its numerator
        less = [_minus(found[order - i], below[i]) for i in range(order + 1)]
        found.append(total(above[order], *less))
    return Jet(*found)


def _minus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    return None if a is None or b is None else -a * b


def _logsum(below: list[Tensor | None]) -> list[Tensor | None]:
    """Taylor coefficients of log(1 + d_1 t + d_2 t^2 + d_3 t^3)."""
    d1, d2, d3 = below
    if d1 is None:
        return [None, d2, d3]
    return [d1, total(d2, -d1 * d1 / 2), total(d3, _minus(d1, d2), d1 * d1 * d1 / 3)]


def _log_softmax(op: Any, x: Jet, dim: int, half_to_float: bool = False) -> Jet:
    _, _, below = _softmax_parts(x, dim)
    moves = [
        total(one, None if less is None else -less)
        for one, less in zip(x.moves[1:], _logsum(below), strict=True)
    ]
    return Jet(x.value.log_softmax(dim), *moves)


def _logsumexp(op: Any, x: Jet, dim: Any, keepdim: bool = False) -> Any:
    dims = dim if isinstance(dim, list | tuple) else [dim]
    if len(dims) != 1:
        return by_torch(op, x, dim, keepdim)
    _, _, below = _softmax_parts(x, dims[0])
    moves = [None if one is None or keepdim else one.squeeze(dims[0]) for one in _logsum(below)]
    return Jet(x.value.logsumexp(dims[0], keepdim), *(_logsum(below) if keepdim else moves))


def _standard(x: Jet, dims: tuple[int, ...], eps: float) -> Jet:
    """Minus its mean, divided by its standard deviation."""
    centred = x.linear(lambda one: one - one.mean(dims, keepdim=True))
    variance = product(torch.mul, centred, centred).linear(lambda one: one.mean(dims, keepdim=True))
    return product(torch.mul, centred, along(lambda v: (v + eps).rsqrt(), variance))


def _layer_norm(
    op: Any, x: Jet, shape: list[int], weight: Any, bias: Any, eps: float
) -> list[Jet | None]:
    found = _standard(x, tuple(range(-len(shape), 0)), eps)
    if weight is not None:
        found = product(torch.mul, found, _still(weight))
    return [found.plus(_still(bias)), None, None]


def _group_norm(
    op: Any, x: Jet, weight: Any, bias: Any, n: int, c: int, places: int, groups: int, eps: float
) -> list[Jet | None]:
    shape = x.value.shape
    found = _standard(x.linear(lambda one: one.reshape(n, groups, -1)), (-1,), eps).linear(
        lambda one: one.reshape(shape)
    )
    column = (1, c, *[1] * (len(shape) - 2))
    if weight is not None:
        found = product(torch.mul, found, _still(weight).reshape(column))
    return [found.plus(None if bias is None else _still(bias).reshape(column)), None, None]


def _batch_norm(
    op: Any,
    x: Jet,
    weight: Any,
    bias: Any,
    mean: Any,
    var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> list[Jet | None]:
    ndim = x.value.ndim
    if training:  # instance norm, which takes the channels of all images for a batch of one
        found = _standard(x, (0, *range(2, ndim)), eps)
    else:
        factor = per_channel((_still(var) + eps).rsqrt(), ndim)
        found = product(torch.mul, x.plus(-per_channel(_still(mean), ndim)), factor)
    if weight is not None:
        found = product(torch.mul, found, per_channel(_still(weight), ndim))
    return [found.plus(None if bias is None else per_channel(_still(bias), ndim)), None, None]


def _glu(op: Any, x: Jet, dim: int = -1) -> Jet:
    first, second = (
        x.linear(lambda one: one.chunk(2, dim)[0]),
        x.linear(lambda one: one.chunk(2, dim)[1]),
    )
    return product(torch.mul, first, along(torch.sigmoid, second))


def _max_pool(op: Any, x: Jet, *args: Any, **kwargs: Any) -> list[Any]:
    """The same place wins while t is small."""
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


def _attention(
    op: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Tensor | None,
    causal: bool = False,
    scale: float | None = None,
) -> list[Any]:
    """Softmax attention in the plain way."""
    value = q.value if isinstance(q, Jet) else q
    factor = value.shape[-1] ** -0.5 if scale is None else scale
    likeness = product(lambda a, b: (a * factor) @ b.transpose(-1, -2), q, k)
    if causal:
        hidden = torch.ones(likeness.value.shape[-2:], dtype=torch.bool, device=value.device).triu(
            1
        )
        likeness = likeness.plus(
            torch.zeros_like(hidden, dtype=value.dtype).masked_fill(hidden, -torch.inf)
        )
    return [product(torch.matmul, _softmax(op, likeness.plus(mask), -1), v)]


def _flash(
    op: Any,
    q: Any,
    k: Any,
    v: Any,
    dropout: float = 0.0,
    causal: bool = False,
    *_: Any,
    **kwargs: Any,
) -> Any:
    return _attention(op, q, k, v, kwargs.get("attn_mask"), causal, kwargs.get("scale"))


def _efficient(
    op: Any,
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    _: bool,
    dropout: float = 0.0,
    causal: bool = False,
    **kwargs: Any,
) -> Any:
    return _attention(op, q, k, v, mask, causal, kwargs.get("scale"))


RULES: dict[str, Callable[..., Any]] = {
    "add": _fitted, "sub": _fitted, "rsub": _fitted, "mul": _mul, "div": _div, "mm": _mul, "bmm": _mul, "mv": _mul,
    "dot": _mul, "matmul": _mul, "addmm": _addmm, "convolution": _convolution, "_softmax": _softmax,
    "_log_softmax": _log_softmax, "logsumexp": _logsumexp, "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm, "native_batch_norm": _batch_norm, "cudnn_batch_norm": _batch_norm,
    "max_pool2d_with_indices": _max_pool, "max_pool3d_with_indices": _max_pool, "adaptive_max_pool2d": _max_pool,
    "adaptive_max_pool3d": _max_pool, "max": _picked, "min": _picked, "topk": _picked, "sort": _picked,
    "glu": _glu, "masked_fill": _filled, "constant_pad_nd": _filled,
    "_scaled_dot_product_flash_attention_for_cpu": _flash, "_scaled_dot_product_flash_attention": _flash,
    "_scaled_dot_product_efficient_attention": _efficient,
}  # fmt: skip
