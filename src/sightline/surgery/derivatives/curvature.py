"""True second and third derivatives of scores by one activation at a time: alpha without a closed
form.

The model runs once more and its tail is written down (`tape.py`). Then the cheapest way that is
right is taken:

| way | when | costs |
|---|---|---|
| `straight` | nothing behind the layer bends | nothing: both are zero |
| `powers` | one bend between two matrices, in a chain | three looks back |
| `pooled` | the scores depend on each channel's mean | a direction a channel |
| `coloured` | local operators, and straight behind them | a direction a channel and colour |
| `directions` | any tail | a direction a channel and place |
| `graph` | the tail could not be written down | two looks back for each of these |

A direction is one activation set moving, carried through the tail as a jet (`jets.py`), many in
bounded memory. Nothing is believed: the tail's scores are compared with the model's, first
derivatives at every place with autograd's, and some second and third ones with what torch's own
forward mode says, nested three times. What does not agree is done in the next way.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.errors import SurgeryError
from sightline.surgery.derivatives.diagonal import DiagonalDerivatives, alike
from sightline.surgery.derivatives.tape import Recorder, Untaped
from sightline.surgery.harness import guard
from sightline.surgery.layer_trace import Trace
from sightline.tensors import at_least_float32

Both = tuple[Tensor, Tensor]
"""Second and third derivatives, `[n, b, c, *s]`."""


@dataclass(frozen=True)
class Curvature:
    """Diagonal derivatives `[n, b, c, *s]` of n scores an image, and the `way` in which two of them
    were made.
    """

    first: Tensor
    second: Tensor
    third: Tensor
    way: str


Again = Callable[[], tuple[Trace, Tensor]]
"""Runs the model once more, opened at one layer; gives the trace and the scores `[n, b]` with their
graph.
"""


def curvature(
    again: Again,
    scores: Tensor,
    first: Tensor | None = None,
    *,
    chunk: int | None = None,
    ways: Sequence[str] | None = None,
) -> Curvature:
    """Diagonal second and third derivatives of the scores `[n, b]` at a layer.

    `scores` and their gradient `first` `[n, b, c, *s]` are what the model gave the first time: what
    is found has to fit. `chunk` directions are in work at once (None: as many as fit into a few
    dozen megabytes); the result does not depend on it. `ways` are those to be tried, in the order
    of the table above. Raises `SurgeryError` where none is right.
    """
    _loaded()
    recorder = Recorder()
    with recorder:
        trace, again_scores = again()
    wanted = (
        ("straight", "powers", "pooled", "coloured", "directions", "graph")
        if ways is None
        else tuple(ways)
    )
    why = "no way was asked for that fits"
    rough = min(one.dtype.itemsize for one in (scores, trace.cuts[0].node)) < 4
    if not alike(again_scores, scores, rough):
        raise SurgeryError(
            f"Expected {type(trace.model).__name__} to give the same scores when it runs again; it"
            " does not. Take a model that does not draw random numbers in eval mode, and a target"
            " that asks the same of the same outputs."
        )
    if first is None:
        (first,) = trace.gradients(again_scores)
    first = (
        at_least_float32(trace.cuts[0].activations.new_zeros(())).expand(
            *scores.shape, *trace.activations.shape[1:]
        )
        if first is None
        else at_least_float32(first)
    )
    with (
        guard.untouched(trace.model),
        torch.enable_grad(),
    ):  # without it torch takes formulas that go no further
        try:
            tail = DiagonalDerivatives.of(
                recorder.tape(trace.cuts[0].node, again_scores), trace, scores, chunk, rough
            )
            del recorder
            for way in (one for one in wanted if one != "graph"):
                found = getattr(tail, way)()
                if found is not None and tail.agrees(found, first):
                    return Curvature(first, found[1], found[2], way)
                why = (
                    why
                    if found is None
                    else f"by {way} derivatives came out that autograd does not confirm"
                )
        except torch.OutOfMemoryError:
            raise  # no word on the tail: with fewer pictures it can be done
        except (
            Untaped,
            RuntimeError,
        ) as error:  # torch raises the latter for operators that have no rule
            why = str(error).partition("\n")[0]
        if "graph" in wanted:
            try:
                return Curvature(first, *by_graph(trace, again_scores), "graph")
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                why = f"{why}; {str(error).partition(chr(10))[0]}"
    raise SurgeryError(
        f"Expected a model that can be differentiated three times behind {trace.cuts[0].layer!r};"
        f" {type(trace.model).__name__} cannot ({why}). Take alpha='paper', or a layer nearer to"
        " the output."
    )


@lru_cache(maxsize=1)
def _loaded() -> None:
    """Torch reads formulas of its own when forward mode is first used, and warns of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vmap(lambda x: jvp(torch.sin, (x,), (x,))[1])(torch.zeros(1))


def by_graph(trace: Trace, scores: Tensor) -> Both:
    """The same through the graph that autograd recorded, one activation after another."""
    _differentiable(scores)
    node, read = trace.cuts[0].node, trace.cuts[0].grid.read
    flat = torch.arange(node[0].numel(), device=node.device).reshape(1, *node.shape[1:])
    index = read(flat)[0]
    found = torch.zeros(
        2, *scores.shape, node[0].numel(), dtype=at_least_float32(node).dtype, device=node.device
    )
    with torch.enable_grad():
        for row, one in enumerate(scores):
            slope = _grad(one.sum(), node, graph=True)
            for at in index.flatten().tolist():
                second = _grad(slope.flatten(1)[:, at].sum(), node, graph=True).flatten(1)[:, at]
                found[0, row, :, at] = second.detach()
                found[1, row, :, at] = _grad(second.sum(), node, graph=False).flatten(1)[:, at]
    second, third = (one[..., index.flatten()].unflatten(-1, index.shape) for one in found)
    return second, third


def _differentiable(scores: Tensor) -> None:
    """Raises `RuntimeError` where torch's third derivatives are known to be wrong."""
    stack: list[Any] = [scores.grad_fn]
    seen: set[Any] = {None}
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack.extend(before for before, _ in node.next_functions)
        name = node.name()
        if name == "NativeLayerNormBackward0" or (
            name == "NativeBatchNormBackward0" and node._saved_training
        ):
            raise RuntimeError(
                f"torch's third derivatives of {name} take the mean and the deviation for constants"
            )


def _grad(value: Tensor, node: Tensor, graph: bool) -> Tensor:
    if not value.requires_grad:
        return torch.zeros_like(node)
    return torch.autograd.grad(
        value, node, create_graph=graph, retain_graph=True, materialize_grads=True
    )[0]
