"""The one call to autograd: derivatives of scores at some nodes, for one or for several scores."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from sightline.surgery.backward.batch_norm import mended
from sightline.surgery.backward.batched import BatchedScores, pack, unpack
from sightline.surgery.backward.graph import has_many_rows, has_python_functions
from sightline.surgery.backward.sparse import SparseBackward
from sightline.surgery.harness.fallback import no_rule_foreseen, reason
from sightline.tensors import at_least_float32

logger = logging.getLogger(__name__)

_HALF = 1024.0
"""fp16 loses gradients below 6e-8, so they are computed this much larger and divided in float32."""


def gradients(
    scores: Tensor,
    nodes: Sequence[Tensor],
    *,
    seeds: Tensor | None = None,
    differentiable: bool = False,
    skip_zeros: bool = True,
    unhooked: bool = False,
) -> list[Tensor | None]:
    """Derivatives of `scores`, `[b]` or `[n, b]`, at each node, in float32 at least.

    With `seeds` the scores may have any shape: what is differentiated is a weighted sum of them,
    its weights one of the n `seeds` `[n, *scores.shape]`. Then, and for `[n, b]`, each gradient has
    n in front. None where the scores do not depend on a node. Where a gradient is the same along an
    axis it may have the stride 0 there. The graph is kept, so more scores may follow.
    `differentiable` keeps the graph of the derivatives themselves. `skip_zeros=False` leaves every
    operator to torch: the rules of pixel space count what passes through them. `unhooked` tells
    that nothing on the graph is hooked, so that several scores may go back together.
    """
    if not scores.requires_grad:
        return [None] * len(nodes)
    if seeds is None:
        seeds = torch.ones_like(scores) if scores.ndim == 1 else _one_row_each(scores)
    half = any(node.dtype == torch.float16 for node in nodes)
    seeds = seeds * _HALF if half else seeds
    # On the CPU only: elsewhere, to look for zeros is to wait for the device. Could torch's own
    # backward operators skip zeros, or did transformers not run on CPUs, this switch and `sparse*`
    # and `batched*` beside it could go (see `benchmarks/`), and every number would stay.
    if skip_zeros and not differentiable and scores.device.type == "cpu":
        found = _without_zeros(scores, nodes, seeds, unhooked)
    else:
        with mended(scores):
            found = _backward(scores, nodes, seeds, differentiable)
    return [
        None if g is None else at_least_float32(g) / _HALF if half else at_least_float32(g)
        for g in found
    ]


def _without_zeros(
    scores: Tensor, nodes: Sequence[Tensor], seeds: Tensor, unhooked: bool
) -> Sequence[Tensor | None]:
    """Without the work that cannot matter; what is an error, torch's own way decides."""
    try:
        with SparseBackward() as sparse:
            return _backward(scores, nodes, seeds, sparse=sparse if unhooked else None)
    except (RuntimeError, TypeError, AttributeError) as error:
        with mended(scores):
            found = _backward(scores, nodes, seeds)
        logger.debug("back through torch's own operators: %s", reason(error))
        return found


def _one_row_each(scores: Tensor) -> Tensor:
    """The seeds `[n, n, b]` that take one row of the scores after another."""
    n = len(scores)
    return (
        torch.eye(n, dtype=scores.dtype, device=scores.device)
        .unsqueeze(2)
        .expand(n, n, scores.shape[1])
    )


def _backward(
    scores: Tensor,
    nodes: Sequence[Tensor],
    seeds: Tensor,
    differentiable: bool = False,
    sparse: SparseBackward | None = None,
) -> Sequence[Tensor | None]:
    """All seeds in one pass where that can be done, vectorised or row by row; else one by one."""
    if seeds.ndim == scores.ndim:
        return _single(scores, nodes, seeds, differentiable)
    if len(seeds) > 1 and not differentiable and not has_many_rows(scores):
        try:
            with no_rule_foreseen():
                return torch.autograd.grad(
                    scores,
                    nodes,
                    grad_outputs=seeds,
                    retain_graph=True,
                    allow_unused=True,
                    is_grads_batched=True,
                )
        except RuntimeError as error:
            logger.debug("back from the scores without vectorising: %s", reason(error))
    several = len(seeds) > 1 and seeds.ndim == 3
    # Functions written in Python would meet tensors that hold no numbers.
    if several and sparse is not None and not has_python_functions(scores):
        try:
            with BatchedScores(sparse):
                return [unpack(one) for one in _single(scores, nodes, pack(seeds))]
        except Exception as error:
            logger.debug("back from one score after another: %s", reason(error))
    singles = [_single(scores, nodes, seed, differentiable) for seed in seeds]
    return [_joined(column) for column in zip(*singles, strict=True)]


def _joined(column: Sequence[Tensor | None]) -> Tensor | None:
    found = [one for one in column if one is not None]
    if len(found) < len(column):
        return None
    return found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)


def _single(
    scores: Tensor, nodes: Sequence[Tensor], seed: Tensor, differentiable: bool = False
) -> Sequence[Tensor | None]:
    return torch.autograd.grad(
        scores,
        nodes,
        grad_outputs=seed,
        retain_graph=True,
        allow_unused=True,
        create_graph=differentiable,
    )
