"""The linear head on a pooled feature map, read off the graph that the run recorded: CAM's weights,
free derivatives.

Between the logits and the layer the graph names every operator. Where it names one linear layer, a
mean and changes of shape, each logit is a weighted sum of the layer's spatial means, and its
derivative is one weight divided by the number of places. Names say what kind of operator, not that
it does the right thing (a mean over some of the places is a mean, too): so the first time a chain
is met, autograd is asked, and it has to say the same. What is remembered are chains between the
weights and the layer, which no weights can belie.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sightline.surgery.harness.grids import Grid
from sightline.tensors import at_least_float32

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
    "ConvolutionBackward0": ("transposed groups", "_saved_weight", 0),
}
_PLAIN = {"AddmmBackward0": [1], "ConvolutionBackward0": [False, 1]}
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


def pooled_head(rows: Tensor, node: Tensor, grid: Grid) -> Tensor | None:
    """The weights `[k, c]`, if the logits `rows` `[b, k]` are a linear head on the mean over the
    grid of `node`.

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
    linear = _chain(rows, node)
    if linear is None:
        return None
    weights, chain, edge = linear
    if weights.shape != (rows.shape[1], node.shape[1 if grid.kind == "channels first" else -1]):
        return None
    if edge is None:  # the weights stand before the mean: autograd is asked about them each time
        if rows.dtype.itemsize < 4:
            return None  # sums of halves are too rough to tell one divisor from the next
        seed = _probe(rows.shape, rows)
        (found,) = torch.autograd.grad(rows, node, seed, retain_graph=True)
        mixed, most = (
            at_least_float32(seed) @ one
            for one in (at_least_float32(weights), at_least_float32(weights).abs())
        )
        return weights if _near(found, mixed, most, grid, rounded=16.0) else None
    key = (*chain, rows.shape, rows.dtype, node.shape, node.dtype, node.stride(), grid)
    if key not in _known:
        means = _probe((len(rows), weights.shape[1]), rows)
        (found,) = torch.autograd.grad([GradientEdge(*edge)], node, means, retain_graph=True)
        if not _near(found, at_least_float32(means), at_least_float32(means), grid, rounded=1.5):
            return None
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known.add(key)
    return weights


def _probe(shape: Sequence[int], like: Tensor) -> Tensor:
    """Powers of two in no order: to divide them is rounded once in any format, and channels cannot
    be mixed up.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    return 2.0 ** torch.randint(0, 8, tuple(shape), generator=generator, device="cpu").to(like)


def _near(found: Tensor, means: Tensor, most: Tensor, grid: Grid, rounded: float) -> bool:
    """Whether this is the derivative of the means at every place, to so many roundings of numbers
    like `most`.
    """
    want, loose = (
        grid.write(free_gradients(one, grid.size), torch.zeros_like(at_least_float32(found)))
        for one in (means, most)
    )
    off = (at_least_float32(found) - want).abs() > rounded * torch.finfo(found.dtype).eps * loose
    return not bool(off.any())  # nan is not off: weights that hold it are reported elsewhere


def free_gradients(weights: Tensor, places: tuple[int, ...]) -> Tensor:
    """The derivatives of logits with these weights `[..., c]` at each place: a view `[..., c,
    *places]`.
    """
    one = weights / math.prod(places)
    return one.reshape(*weights.shape, *[1] * len(places)).expand(*weights.shape, *places)


def _chain(rows: Tensor, node: Tensor) -> tuple[Tensor, list[Any], Any] | None:
    """The head's weights, the operators from the logits to the layer with what decides them, and an
    edge.

    The edge is where the derivative of a fully connected layer's input comes in; None for a
    convolution.
    """
    step: Any = rows.grad_fn
    chain: list[Any] = []
    weights: Tensor | None = None
    edge: Any = None
    try:
        while step is not None and len(chain) < _LONGEST:
            name = step.name()
            if step is node.grad_fn or (name == _LEAF and step.variable is node):
                return None if weights is None else (weights, chain, edge)
            if name in _SHAPE_ONLY:
                into = 0
            elif name in _LINEAR and weights is None:
                _, kept, into = _LINEAR[name]
                weights = getattr(step, kept).detach()
                if weights.shape[2:].numel() != 1:
                    return None
                edge = step.next_functions[into] if weights.ndim == 2 else None
                weights = weights.T if weights.ndim == 2 else weights.flatten(1)
            else:
                return None
            before = step.next_functions
            if len(before) > 1 and not all(
                _of_weights(other) for i, (other, _) in enumerate(before) if i != into
            ):
                return None
            deciding = [getattr(step, word) for word in _DECIDING[name]]
            if deciding != _PLAIN.get(name, deciding):
                return None
            chain.append((name, *deciding))
            step = before[into][0]
    except (
        AttributeError,
        RuntimeError,
    ):  # a name that this torch does not know; what was kept has been written over
        pass
    return None


def _of_weights(step: Any) -> bool:
    """Whether this is nothing, or a parameter itself, perhaps turned: the layer has no say in it."""
    if step is not None and step.name() == "TBackward0":
        step = step.next_functions[0][0]
    return step is None or step.name() == _LEAF
