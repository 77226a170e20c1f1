"""Operators that torch cannot differentiate three times, or not rightly, written out in those that
it can.

Layer norm and batch norm of a batch: torch's own third derivatives take the mean and the deviation
for constants (seen in 2.15, where forward and reverse mode do not agree, either). Fused attention
has no second ones. `view` rests on the order in memory.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.tensors import per_channel


def _attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    attn_mask: Tensor | None = None,
    scale: float | None = None,
    **_: Any,
) -> Tensor:
    likeness = (q * (q.shape[-1] ** -0.5 if scale is None else scale)) @ k.transpose(-1, -2)
    if causal:
        hidden = torch.ones(likeness.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        likeness = likeness.masked_fill(hidden, -torch.inf)
    return (likeness if attn_mask is None else likeness + attn_mask).softmax(-1) @ v


def _attention_with_bias(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, _: bool, *args: Any, **kwargs: Any
) -> Tensor:
    return _attention(q, k, v, *args, attn_mask=mask, **kwargs)


def _reshape_alias(x: Tensor, shape: list[int], strides: Any) -> Tensor:
    return x.reshape(shape)


def _layer_norm(
    x: Tensor, shape: list[int], weight: Any, bias: Any, eps: float
) -> tuple[Tensor, None, None]:
    """Torch's own has wrong third derivatives: they take the mean and the deviation for constants."""
    y = _standard(x, tuple(range(-len(shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias, None, None


def _batch_norm(
    x: Tensor,
    weight: Any,
    bias: Any,
    mean: Any,
    var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> tuple[Tensor, None, None]:
    if training:  # as torch's layer norm
        y = _standard(x, (0, *range(2, x.ndim)), eps)
    else:
        y = (x - per_channel(mean, x.ndim)) * per_channel((var + eps).rsqrt(), x.ndim)
    y = y if weight is None else y * per_channel(weight, x.ndim)
    return y if bias is None else y + per_channel(bias, x.ndim), None, None


def _standard(x: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    centred = x - x.mean(dims, keepdim=True)
    return centred * ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()


def _glu(x: Tensor, dim: int = -1) -> Tensor:
    first, second = x.chunk(2, dim)
    return first * second.sigmoid()


def _hardsigmoid(x: Tensor) -> Tensor:
    return (x / 6 + 0.5).clamp(0, 1)


def _hardtanh(x: Tensor, low: float = -1, high: float = 1) -> Tensor:
    return x.clamp(low, high)


WRITTEN_OUT: dict[str, Callable[..., Any]] = {
    "aten::glu": _glu,
    "aten::native_layer_norm": _layer_norm,
    "aten::native_batch_norm": _batch_norm,
    "aten::cudnn_batch_norm": _batch_norm,
    "aten::view": torch.reshape,
    "aten::_unsafe_view": torch.reshape,
    "aten::_reshape_alias": _reshape_alias,
    "aten::hardsigmoid": _hardsigmoid,
    "aten::hardsigmoid_": _hardsigmoid,
    "aten::hardtanh": _hardtanh,
    "aten::hardtanh_": _hardtanh,
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten::_scaled_dot_product_flash_attention": _attention,
    "aten::_scaled_dot_product_efficient_attention": _attention_with_bias,
}
"""By the name of the operator; arguments as its own."""
