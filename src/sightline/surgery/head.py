"""The linear head on a pooled feature map, read off the graph that the run recorded: CAM's weights, free derivatives.

Between the logits and the layer the graph names every operator. Where it names one linear layer, a mean and changes
of shape, each logit is a weighted sum of the layer's spatial means, and its derivative is one weight divided by the
number of places. Names say what kind of operator, not that it does the right thing (a mean over some of
the places is a mean, too): so the first time a chain is met, autograd is asked, and it has to say the same.
"""

import math
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.grids import Grid

_SHAPE_ONLY = {
    "ViewBackward0": "self_sym_sizes",
    "UnsafeViewBackward0": "self_sym_sizes",
    "ReshapeAliasBackward0": "self_sym_sizes",
    "AsStridedBackward1": "size stride storage_offset",
    "SqueezeBackward0": "self_sym_sizes",
    "SqueezeBackward1": "self_sym_sizes dim",
    "SqueezeBackward2": "self_sym_sizes dim",
    "UnsqueezeBackward0": "dim",
    "PermuteBackward0": "dims",
    "TransposeBackward0": "dim0 dim1",
    "SelectBackward0": "self_sym_sizes dim index",
    "SliceBackward0": "self_sym_sizes dim start end step",
    "MeanBackward1": "self_sym_sizes dim keepdim",
    "AvgPool2DBackward0": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "AvgPool3DBackward0": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    "CloneBackward0": "",
    "ToCopyBackward0": "",
}
"""Operators whose derivative holds none of the model's numbers, and what of theirs decides it."""

_LINEAR = {  # what decides the operator, its weights, which of its inputs goes on
    "AddmmBackward0": ("alpha", "_saved_mat2", 1),
    "MmBackward0": ("", "_saved_mat2", 0),
    "ConvolutionBackward0": ("stride padding dilation transposed groups", "_saved_weight", 0),
}
_DECIDING = {
    name: [f"_saved_{word}" for word in words.split()]
    for name, words in (*_SHAPE_ONLY.items(), *((name, words) for name, (words, _, _) in _LINEAR.items()))
}
_LEAF = "torch::autograd::AccumulateGrad"
_LONGEST = 16
_MOST_KNOWN = 4096
_known: set[Any] = set()
"""Chains of which autograd has said that they are the mean. What they do follows from their names and numbers alone."""


def pooled_head(rows: Tensor, node: Tensor, grid: Grid) -> Tensor | None:
    """The weights `[k, c]`, if the logits `rows` `[b, k]` are a linear head on the mean over the grid of `node`.

    Fully connected behind the mean, or a 1 x 1 convolution before it. None where the graph names anything else.

    >>> node = torch.rand(2, 3, 4, 4, requires_grad=True)
    >>> head = torch.nn.Linear(3, 5)
    >>> rows = head(node.clone().mean((2, 3)))
    >>> torch.equal(pooled_head(rows, node, Grid("channels first", (4, 4))), head.weight)
    True
    """
    if grid.reader is not None or rows.ndim != 2:
        return None  # read by a function of the user's own, of which nothing is known
    linear = _chain(rows, node)
    if linear is None:
        return None
    weights, chain = linear
    if weights.shape != (rows.shape[1], node.shape[1 if grid.kind == "channels first" else -1]):
        return None
    key = (*chain, rows.shape, rows.dtype, node.shape, node.dtype, node.stride(), grid)
    if key in _known:
        return weights
    seed = torch.rand(rows.shape, generator=torch.Generator().manual_seed(0)).to(rows) + 0.5
    (found,) = torch.autograd.grad(rows, node, seed, retain_graph=True)  # of a random combination of the logits
    mixed = seed @ weights.to(seed)
    want = grid.write(free_gradients(mixed, grid.size), torch.zeros_like(found)).to(found)
    loose = 1e-5 if min(rows.dtype.itemsize, node.dtype.itemsize) >= 4 else 0.05
    if not torch.allclose(found, want, rtol=loose, atol=loose * float(want.abs().max()), equal_nan=True):
        return None
    if (mixed.isfinite() & (mixed != 0)).all():  # else it is true of these weights, and says nothing of others
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known.add(key)
    return weights


def free_gradients(weights: Tensor, places: tuple[int, ...]) -> Tensor:
    """The derivatives of logits with these weights `[..., c]` at each place: a view `[..., c, *places]`."""
    one = weights / math.prod(places)
    return one.reshape(*weights.shape, *[1] * len(places)).expand(*weights.shape, *places)


def _chain(rows: Tensor, node: Tensor) -> tuple[Tensor, list[Any]] | None:
    """The head's weights, and the operators from the logits to the layer with what decides them."""
    step: Any = rows.grad_fn
    chain: list[Any] = []
    weights: Tensor | None = None
    try:
        while step is not None and len(chain) < _LONGEST:
            name = step.name()
            if step is node.grad_fn or (name == _LEAF and step.variable is node):
                return None if weights is None else (weights, chain)
            if name in _SHAPE_ONLY:
                into = 0
            elif name in _LINEAR and weights is None:
                _, kept, into = _LINEAR[name]
                weights = getattr(step, kept).detach()
                if weights.shape[2:].numel() != 1:
                    return None
                weights = weights.T if weights.ndim == 2 else weights.flatten(1)
            else:
                return None
            before = step.next_functions
            if len(before) > 1 and not all(_of_weights(other) for i, (other, _) in enumerate(before) if i != into):
                return None
            chain.append((name, *[getattr(step, word) for word in _DECIDING[name]]))
            step = before[into][0]
    except (AttributeError, RuntimeError):  # a name that this torch does not know; what was kept has been written over
        pass
    return None


def _of_weights(step: Any) -> bool:
    """Whether this is nothing, or a parameter itself, perhaps turned: the layer has no say in it."""
    if step is not None and step.name() == "TBackward0":
        step = step.next_functions[0][0]
    return step is None or step.name() == _LEAF
