"""The one call to autograd: derivatives of scores at some nodes, for one or for many questions."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from sightline.surgery.lean import Lean, pays

_HALF = 1024.0
"""fp16 loses gradients below 6e-8, so they are computed this much larger and divided in float32."""


def gradients(scores: Tensor, nodes: Sequence[Tensor], *, differentiable: bool = False) -> list[Tensor | None]:
    """Derivatives of `scores` (`[b]`, or `[n, b]` for n questions) at each node, in float32 at least.

    None where the scores do not depend on a node. The graph is kept, so more questions may follow.
    `differentiable` keeps the graph of the derivatives themselves.
    """
    if not scores.requires_grad:
        return [None] * len(nodes)
    half = any(node.dtype == torch.float16 for node in nodes)
    scaled = scores.float() * _HALF if half else scores
    if differentiable:
        found = _one(scaled, nodes, True) if scores.ndim == 1 else _one_by_one(scaled, nodes, True)
    else:
        with Lean() if pays(scores) else nullcontext():
            found = _one(scaled, nodes) if scores.ndim == 1 else _many(scaled, nodes)
    return [None if g is None else _full(g) / _HALF if half else _full(g) for g in found]


def _full(gradient: Tensor) -> Tensor:
    return gradient.float() if gradient.dtype in (torch.float16, torch.bfloat16) else gradient


def _one(scores: Tensor, nodes: Sequence[Tensor], differentiable: bool = False) -> Sequence[Tensor | None]:
    return torch.autograd.grad(scores.sum(), nodes, retain_graph=True, allow_unused=True, create_graph=differentiable)


def _many(scores: Tensor, nodes: Sequence[Tensor]) -> Sequence[Tensor | None]:
    """All questions in one vectorised pass; one by one where an operator cannot be vectorised."""
    n = len(scores)
    seeds = torch.eye(n, dtype=scores.dtype, device=scores.device).unsqueeze(2).expand(n, n, scores.shape[1])
    try:
        return torch.autograd.grad(
            scores, nodes, grad_outputs=seeds, retain_graph=True, allow_unused=True, is_grads_batched=True
        )
    except RuntimeError:
        return _one_by_one(scores, nodes)


def _one_by_one(scores: Tensor, nodes: Sequence[Tensor], differentiable: bool = False) -> Sequence[Tensor | None]:
    singles = [_one(row, nodes, differentiable) for row in scores]
    return [
        None if any(one is None for one in column) else torch.stack([one for one in column if one is not None])
        for column in zip(*singles, strict=True)
    ]
