"""Operators that torch cannot differentiate three times, or not rightly, in those that it can.

Layer norm and batch norm of a batch: torch's own third derivatives take the mean and the deviation
for constants (seen in 2.15, where forward and reverse mode do not agree, either). Fused attention
has no second ones. `view` rests on the order in memory.

What is written in `linear`, `product`, `along` and `softmax` takes jets as well as tensors: it is
the operator's forward and its rule for derivatives in one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.derivatives.jets import (
    along,
    constant,
    linear,
    plus,
    product,
    softmax,
    value_of,
)


def attention(
    q: Any, k: Any, v: Any, mask: Tensor | None, causal: bool = False, scale: float | None = None
) -> Any:
    """Softmax attention, not fused."""
    factor = value_of(q).shape[-1] ** -0.5 if scale is None else scale
    likeness = product(lambda a, b: (a * factor) @ b.transpose(-1, -2), q, k)
    if causal:
        likeness = plus(likeness, _future(value_of(likeness)))
    return product(torch.matmul, softmax(plus(likeness, constant(mask)), -1), v)


def _future(likeness: Tensor) -> Tensor:
    """What hides the keys behind each query: -inf there, 0 elsewhere."""
    hidden = torch.ones(likeness.shape[-2:], dtype=torch.bool, device=likeness.device).triu(1)
    return torch.zeros_like(hidden, dtype=likeness.dtype).masked_fill(hidden, -torch.inf)


def _flash_attention(
    q: Any, k: Any, v: Any, dropout: float = 0.0, causal: bool = False, *_: Any, **kwargs: Any
) -> Any:
    return attention(q, k, v, kwargs.get("attn_mask"), causal, kwargs.get("scale"))


def _efficient_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any,
    _: bool,
    dropout: float = 0.0,
    causal: bool = False,
    **kwargs: Any,
) -> Any:
    return attention(q, k, v, mask, causal, kwargs.get("scale"))


def standardised(x: Any, dims: tuple[int, ...], eps: float) -> Any:
    """Minus its mean, divided by its standard deviation."""
    centred = linear(lambda one: one - one.mean(dims, keepdim=True), x)
    variance = linear(
        lambda one: one.mean(dims, keepdim=True), product(torch.mul, centred, centred)
    )
    return product(torch.mul, centred, along(lambda v: (v + eps).rsqrt(), variance))


def scaled_and_shifted(
    x: Any, weight: Any, bias: Any, shape: tuple[int, ...] | None = None
) -> list[Any]:
    """A norm's weight and bias, in this shape; and what its operator gives besides, unused."""
    weight, bias = (
        one if one is None or shape is None else constant(one).reshape(shape)
        for one in (weight, bias)
    )
    if weight is not None:
        x = product(torch.mul, x, constant(weight))
    return [plus(x, constant(bias)), None, None]


def _layer_norm(x: Any, shape: list[int], weight: Any, bias: Any, eps: float) -> list[Any]:
    """Torch's own has wrong third derivatives: mean and deviation are constants to it."""
    return scaled_and_shifted(standardised(x, tuple(range(-len(shape), 0)), eps), weight, bias)


def _batch_norm(
    x: Any,
    weight: Any,
    bias: Any,
    mean: Any,
    var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> list[Any]:
    axes = value_of(x).ndim
    column = (1, -1, *[1] * (axes - 2))
    if training:  # instance norm, which takes the channels of all images for a batch of one
        found = standardised(x, (0, *range(2, axes)), eps)
    else:
        factor = (constant(var) + eps).rsqrt().reshape(column)
        found = product(torch.mul, plus(x, -constant(mean).reshape(column)), factor)
    return scaled_and_shifted(found, weight, bias, column)


def _glu(x: Any, dim: int = -1) -> Any:
    first = linear(lambda one: one.chunk(2, dim)[0], x)
    second = linear(lambda one: one.chunk(2, dim)[1], x)
    return product(torch.mul, first, along(torch.sigmoid, second))


def _reshape_alias(x: Tensor, shape: list[int], strides: Any) -> Tensor:
    return x.reshape(shape)


def _hardsigmoid(x: Tensor) -> Tensor:
    return (x / 6 + 0.5).clamp(0, 1)


def _hardtanh(x: Tensor, low: float = -1, high: float = 1) -> Tensor:
    return x.clamp(low, high)


FOR_JETS: dict[str, Callable[..., Any]] = {
    "glu": _glu,
    "native_layer_norm": _layer_norm,
    "native_batch_norm": _batch_norm,
    "cudnn_batch_norm": _batch_norm,
    "_scaled_dot_product_flash_attention_for_cpu": _flash_attention,
    "_scaled_dot_product_flash_attention": _flash_attention,
    "_scaled_dot_product_efficient_attention": _efficient_attention,
}
"""By the name of the operator, arguments as its own; of tensors and of jets."""

DECOMPOSED: dict[str, Callable[..., Any]] = FOR_JETS | {
    "view": torch.reshape,
    "_unsafe_view": torch.reshape,
    "_reshape_alias": _reshape_alias,
    "hardsigmoid": _hardsigmoid,
    "hardtanh": _hardtanh,
}
"""What stands on a tape in an operator's place."""
