"""Scores to second order along the activations: gradients, and Hessians times activations.

The model runs once more and what lies behind the layer is recorded (`tape.py`), with fused
attention and norms in operators that can be differentiated again. Then one backward pass with a
graph, and one through that. Where everything behind the layer is linear, in pieces, there is
nothing to look for; where there is no tape, the graph that autograd recorded is taken. The first
derivatives have to be autograd's own.
"""

import logging

import torch
from torch import Tensor

from sightline.errors import SurgeryError
from sightline.surgery.derivatives.piecewise_linear import last_nonlinear
from sightline.surgery.derivatives.second_run import (
    Again,
    SecondRun,
    gradient,
    read,
    rerun_tail,
    same_gradient,
)
from sightline.surgery.derivatives.tape import Untaped, run_op
from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import first_line, no_rule_foreseen, reason
from sightline.tensors import at_least_float32

logger = logging.getLogger(__name__)

Two = tuple[Tensor, Tensor]
"""The gradient and the Hessian times the activations, `[n, b, c, *s]`."""


def expansion(again: Again, scores: Tensor) -> Two:
    """The gradient of scores `[n, b]` at a layer, and their Hessians times the activations.

    `again` runs the model once more, opened at the layer, and gives the scores with their graph;
    they have to be `scores`. What is no activation of the layer's grid, such as a class token,
    stands still. Raises `SurgeryError` for a model that does not repeat itself, or cannot be
    differentiated twice.

    >>> from sightline.surgery import capture
    >>> net = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Softplus(), torch.nn.Flatten())
    >>> def again():
    ...     trace = capture(net, torch.zeros(1, 1, 1, 2), "0")
    ...     return trace, trace.outputs[:, :1].T ** 2
    >>> gradient, hessian_times_activations = expansion(again, again()[1])
    >>> gradient.flatten()  # 2 log 2 x 1/2
    tensor([0.6931, 0.0000])
    """
    run = rerun_tail(again, scores)
    (first,) = run.trace.gradients(run.scores)
    if first is None:
        return run.no_gradient(), run.no_gradient()
    with guard.untouched(run.trace.model, run.trace.left), torch.enable_grad():
        try:
            with no_rule_foreseen():
                return _by_tape(run, first)
        except torch.OutOfMemoryError:
            raise  # no word on the model: with fewer pictures it can be done
        except RuntimeError as error:
            why = reason(error)
            logger.debug("second derivatives through autograd's graph: %s", why)
        try:
            return _twice(run.scores, run.node, run.index)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            why = f"{why}; {first_line(error)}"
    raise SurgeryError(
        f"Expected a model that can be differentiated twice behind {run.trace.cuts[0].layer!r};"
        f" {type(run.trace.model).__name__} cannot ({why}). Take grad_cam, which needs first"
        " derivatives only."
    )


def _by_tape(run: SecondRun, first: Tensor) -> Two:
    """Along the tape; raises `Untaped` where there is none with autograd's first derivatives."""
    tape, _ = run.tape()
    leaf = tape.start.detach().requires_grad_()
    scores = tape.play(leaf, run_op)
    found = _twice(scores, leaf, run.index, linear=not last_nonlinear(tape))
    if not same_gradient(found[0], first, run.half_precision):
        raise Untaped("the tape has other first derivatives than autograd")
    return found


def _twice(scores: Tensor, node: Tensor, index: Tensor, linear: bool = False) -> Two:
    """Two backward passes for each score, through the graph of `scores` `[n, b]`."""
    activations = _on_grid(node, index)
    rows = []
    for one in scores:
        slope = gradient(one.sum(), node, graph=not linear)
        curved = gradient((slope * activations).sum(), node, graph=False)
        rows.append((at_least_float32(slope.detach()), at_least_float32(curved)))
    first, second = (torch.stack(column) for column in zip(*rows, strict=True))
    return read(first, index), read(second, index)


def _on_grid(node: Tensor, index: Tensor) -> Tensor:
    """The layer's own output where it is on the grid, 0 elsewhere."""
    on = torch.zeros(node[0].numel(), dtype=torch.bool, device=node.device)
    on[index.flatten()] = True
    return node.detach() * on.reshape(node.shape[1:])
