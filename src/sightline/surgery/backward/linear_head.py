"""The linear head on a pooled feature map, read off the graph: CAM's weights, free derivatives.

Between the logits and the layer the graph that the run recorded names every operator. Where it
names one linear layer, a mean and changes of shape, each logit is a weighted sum of the layer's
spatial means, and its derivative is one weight divided by the number of positions. Names say what
kind of operator, not that it does the right thing (a mean over some of the positions is a mean,
too): so the first time a chain is met, autograd is asked, and it has to say the same. What is
remembered are chains between the weights and the layer, which no weights can belie.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sightline.surgery.harness.fallback import Foreseen
from sightline.surgery.harness.grids import Grid
from sightline.tensors import at_least_float32

logger = logging.getLogger(__name__)

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
"""Operators whose derivative holds none of the model's numbers, and what decides it."""

# These tables name nodes of the graph and what those keep (torch's `_saved_` attributes): no
# property of an operator. So `backward/operators.py` has no column for it.
_LINEAR = {  # what decides the operator, its weights, which of its inputs goes on
    "AddmmBackward0": ("alpha", "_saved_mat2", 1),
    "MmBackward0": ("", "_saved_mat2", 0),
    "ConvolutionBackward0": ("transposed groups", "_saved_weight", 0),
}
_REQUIRED = {"AddmmBackward0": [1], "ConvolutionBackward0": [False, 1]}
"""What decides these has to be this, or their weights are not the head's."""

_DECIDING = {
    name: [f"_saved_{word}" for word in words.split()]
    for name, words in (
        *_SHAPE_ONLY.items(),
        *((name, words) for name, (words, _, _) in _LINEAR.items()),
    )
}
_LEAF = "torch::autograd::AccumulateGrad"
_LONGEST = 16
_MOST_KNOWN = 4096
_known: set[Any] = set()
"""Chains of which autograd has said that they are the mean.

What they do follows from their names and numbers alone.
"""


class NoPooledHead(Foreseen):
    """Something else than a linear layer, a mean and changes of shape stands behind the layer."""


def pooled_head(rows: Tensor, node: Tensor, grid: Grid) -> Tensor | None:
    """The weights `[k, c]`, if logits `rows` `[b, k]` are a linear head on the mean of `node`.

    Fully connected behind the mean, or a 1 x 1 convolution before it. None where the graph names
    anything else.

    >>> node = torch.rand(2, 3, 4, 4, requires_grad=True)
    >>> head = torch.nn.Linear(3, 5)
    >>> rows = head(node.clone().mean((2, 3)))
    >>> torch.equal(pooled_head(rows, node, Grid("channels first", (4, 4))), head.weight)
    True
    """
    if grid.reader is not None or rows.ndim != 2:
        return None  # read by a function of the user's own, of which nothing is known
    try:
        return _confirmed_head(rows, node, grid)
    except NoPooledHead as why:
        logger.debug("gradients by autograd and not from a head's weights: %s", why)
        return None


def _confirmed_head(rows: Tensor, node: Tensor, grid: Grid) -> Tensor:
    """The head's weights, as autograd confirms them."""
    weights, chain, edge = _chain(rows, node)
    if weights.shape != (rows.shape[1], node.shape[grid.channel_axis]):
        raise NoPooledHead(f"weights {tuple(weights.shape)} that are not one a logit and channel")
    if edge is None:  # the weights stand before the mean: autograd is asked about them each time
        if rows.dtype.itemsize < 4:
            raise NoPooledHead("sums of halves are too coarse to tell one divisor from the next")
        seed = _powers_of_two(rows.shape, rows)
        (found,) = torch.autograd.grad(rows, node, seed, retain_graph=True)
        mixed, largest = (
            at_least_float32(seed) @ one
            for one in (at_least_float32(weights), at_least_float32(weights).abs())
        )
        if not _is_mean(found, mixed, largest, grid, roundings=16.0):
            raise NoPooledHead("a mean that autograd does not confirm")
        return weights
    key = (*chain, rows.shape, rows.dtype, node.shape, node.dtype, node.stride(), grid)
    if key not in _known:
        # Only the part between the mean and the layer: it takes no weights of the head's, so that
        # what was once confirmed holds for all weights and all later images of this shape.
        means = _powers_of_two((len(rows), weights.shape[1]), rows)
        (found,) = torch.autograd.grad([GradientEdge(*edge)], node, means, retain_graph=True)
        exact = at_least_float32(means)
        if not _is_mean(found, exact, exact, grid, roundings=1.5):
            raise NoPooledHead("a mean that autograd does not confirm")
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known.add(key)
    return weights


def _powers_of_two(shape: Sequence[int], like: Tensor) -> Tensor:
    """Powers of two in no order.

    To divide them is rounded once in any format, and channels cannot be mixed up.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    return 2.0 ** torch.randint(0, 8, tuple(shape), generator=generator, device="cpu").to(like)


def _is_mean(found: Tensor, means: Tensor, largest: Tensor, grid: Grid, roundings: float) -> bool:
    """Whether this is the derivative of the means at every position.

    To so many roundings of numbers like `largest`.
    """
    want, loose = (
        grid.write(free_gradients(one, grid.size), torch.zeros_like(at_least_float32(found)))
        for one in (means, largest)
    )
    off = (at_least_float32(found) - want).abs() > roundings * torch.finfo(found.dtype).eps * loose
    return not bool(off.any())  # nan is not off: weights that hold it are reported elsewhere


def free_gradients(weights: Tensor, size: tuple[int, ...]) -> Tensor:
    """The derivatives of logits with these weights `[..., c]` at each position of a grid.

    A view `[..., c, *size]`.
    """
    one = weights / math.prod(size)
    return one.reshape(*weights.shape, *[1] * len(size)).expand(*weights.shape, *size)


def _chain(rows: Tensor, node: Tensor) -> tuple[Tensor, list[Any], Any]:
    """The head's weights, the operators from the logits to the layer, and an edge.

    The operators come with what decides them. The edge is where the derivative of a fully connected
    layer's input comes in; None for a convolution. This follows one path, and does not walk the
    graph as `graph.nodes` does.
    """
    step: Any = rows.grad_fn
    chain: list[Any] = []
    weights: Tensor | None = None
    edge: Any = None
    while step is not None and len(chain) < _LONGEST:
        name = step.name()
        if step is node.grad_fn or (name == _LEAF and step.variable is node):
            if weights is None:
                raise NoPooledHead("no linear layer")
            return weights, chain, edge
        if name in _SHAPE_ONLY:
            into = 0
        elif name in _LINEAR and weights is None:
            _, kept, into = _LINEAR[name]
            weights = _saved(step, kept).detach()
            if weights.shape[2:].numel() != 1:
                raise NoPooledHead("a convolution wider than 1 x 1")
            edge = step.next_functions[into] if weights.ndim == 2 else None
            weights = weights.T if weights.ndim == 2 else weights.flatten(1)
        else:
            raise NoPooledHead(f"{name} behind the layer")
        before = step.next_functions
        if len(before) > 1 and not all(
            _is_parameter(other) for i, (other, _) in enumerate(before) if i != into
        ):
            raise NoPooledHead(f"{name} of more than the layer and parameters")
        deciding = [_saved(step, word) for word in _DECIDING[name]]
        if deciding != _REQUIRED.get(name, deciding):
            raise NoPooledHead(f"{name} with factors or groups")
        chain.append((name, *deciding))
        step = before[into][0]
    raise NoPooledHead("the layer is not reached by one short path")


def _saved(step: Any, word: str) -> Any:
    """What a node of the graph keeps."""
    try:
        return getattr(step, word)
    except AttributeError as error:
        raise NoPooledHead(f"this torch keeps no {word} in {step.name()}") from error
    except RuntimeError as error:
        raise NoPooledHead(f"what {step.name()} kept has been written over") from error


def _is_parameter(step: Any) -> bool:
    """Whether this is nothing, or a parameter, perhaps transposed: the layer has no say in it."""
    if step is not None and step.name() == "TBackward0":
        step = step.next_functions[0][0]
    return step is None or step.name() == _LEAF
