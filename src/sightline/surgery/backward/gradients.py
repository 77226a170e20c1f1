"""The one call to autograd: derivatives of scores at some nodes, for one or for many questions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sightline.surgery.backward.batched import BatchedScores, apart, together
from sightline.surgery.backward.sparse import SparseBackward, own_functions, wide
from sightline.tensors import at_least_float32

_HALF = 1024.0
"""fp16 loses gradients below 6e-8, so they are computed this much larger and divided in float32."""


def gradients(
    scores: Tensor,
    nodes: Sequence[Tensor],
    *,
    seeds: Tensor | None = None,
    differentiable: bool = False,
    lean: bool = True,
    plain: bool = False,
) -> list[Tensor | None]:
    """Derivatives of `scores` (`[b]`, or `[n, b]` for n questions) at each node, in float32 at
    least.

    With `seeds` the scores may have any shape: a question is a weighted sum of them, its weights
    one of the n `seeds` `[n, *scores.shape]`. Then, and for `[n, b]`, each gradient has n in front.
    None where the scores do not depend on a node. Where a gradient is the same along an axis it may
    have the stride 0 there. The graph is kept, so more questions may follow. `differentiable` keeps
    the graph of the derivatives themselves. `lean=False` leaves every operator to torch: the rules
    of pixel space count what passes through them. `plain` tells that nothing on the graph is
    hooked, so that questions may go back together.
    """
    if not scores.requires_grad:
        return [None] * len(nodes)
    if seeds is None:
        seeds = torch.ones_like(scores) if scores.ndim == 1 else _each(scores)
    half = any(node.dtype == torch.float16 for node in nodes)
    seeds = seeds * _HALF if half else seeds
    # Elsewhere than on the CPU, to look for zeros is to wait for them.
    lean = lean and not differentiable and scores.device.type == "cpu"
    found = (
        _leanly(scores, nodes, seeds, plain)
        if lean
        else _looked(scores, nodes, seeds, differentiable)
    )
    return [
        None if g is None else at_least_float32(g) / _HALF if half else at_least_float32(g)
        for g in found
    ]


def _leanly(
    scores: Tensor, nodes: Sequence[Tensor], seeds: Tensor, plain: bool
) -> Sequence[Tensor | None]:
    """Without the work that cannot matter, and if that fails, in torch's own way: it decides what
    is an error.

    It fails, say, where a hook writes into a gradient whose places share their memory.
    """
    try:
        with SparseBackward() as lean:
            return _looked(scores, nodes, seeds, lean=lean if plain else None)
    except (RuntimeError, TypeError, AttributeError):
        return _looked(scores, nodes, seeds)


def _each(scores: Tensor) -> Tensor:
    """The seeds `[n, n, b]` that ask for one row of the scores after another."""
    n = len(scores)
    return (
        torch.eye(n, dtype=scores.dtype, device=scores.device)
        .unsqueeze(2)
        .expand(n, n, scores.shape[1])
    )


def _looked(
    scores: Tensor,
    nodes: Sequence[Tensor],
    seeds: Tensor,
    differentiable: bool = False,
    lean: SparseBackward | None = None,
) -> Sequence[Tensor | None]:
    """All questions in one pass where that can be done, vectorised or row by row; else one by one."""
    if seeds.ndim == scores.ndim:
        return _one(scores, nodes, seeds, differentiable)
    if len(seeds) > 1 and not differentiable and not wide(scores):
        try:
            return torch.autograd.grad(
                scores,
                nodes,
                grad_outputs=seeds,
                retain_graph=True,
                allow_unused=True,
                is_grads_batched=True,
            )
        except RuntimeError:  # an operator that cannot be vectorised
            pass
    if len(seeds) > 1 and lean is not None and seeds.ndim == 3 and not own_functions(scores):
        try:
            with BatchedScores(lean):
                return [apart(one) for one in _one(scores, nodes, together(seeds), False)]
        except (
            Exception
        ):  # whatever looked into a stand-in is asked again with tensors, and then may fail
            pass
    singles = [_one(scores, nodes, seed, differentiable) for seed in seeds]
    return [_joined(column) for column in zip(*singles, strict=True)]


def _joined(column: Sequence[Tensor | None]) -> Tensor | None:
    found = [one for one in column if one is not None]
    if len(found) < len(column):
        return None
    return found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)


def _one(
    scores: Tensor, nodes: Sequence[Tensor], seed: Tensor, differentiable: bool
) -> Sequence[Tensor | None]:
    return torch.autograd.grad(
        scores,
        nodes,
        grad_outputs=seed,
        retain_graph=True,
        allow_unused=True,
        create_graph=differentiable,
    )
