"""True second and third derivatives by one activation at a time: alpha without a closed form.

The model runs once more and what lies behind the layer is recorded as a list of operators, a tape
(`tape.py`). Then the cheapest strategy that is right is taken:

| strategy | when | costs |
|---|---|---|
| `straight` | everything behind the layer is linear, in pieces | nothing: both are zero |
| `powers` | one nonlinearity between two matrices, in a chain | three backward passes |
| `pooled` | the scores depend on each channel's mean | a direction a channel |
| `coloured` | local operators, and linear ones behind them | a direction a channel and colour |
| `directions` | any tape | a direction a channel and position |
| `graph` | there is no tape | two backward passes for each of these |

A direction is one activation set moving, carried along the tape as a jet (`jets.py`), many in
bounded memory. Nothing is believed: the tape's scores are compared with the model's, first
derivatives at every position with autograd's, and some second and third ones with what torch's own
forward mode says, nested three times. What does not agree is left for the next strategy, and the
log says so.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.errors import SurgeryError
from sightline.surgery.backward.graph import nodes
from sightline.surgery.derivatives.diagonal import STRATEGIES, DiagonalDerivatives
from sightline.surgery.derivatives.second_run import Again, SecondRun, gradient, rerun_tail
from sightline.surgery.derivatives.tape import Untaped
from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import NoRule, first_line, no_rule_foreseen, reason
from sightline.tensors import at_least_float32

logger = logging.getLogger(__name__)

Both = tuple[Tensor, Tensor]
"""Second and third derivatives, `[n, b, c, *s]`."""


@dataclass(frozen=True)
class Curvature:
    """Diagonal derivatives `[n, b, c, *s]` of n scores, and the strategy that made two of them."""

    first: Tensor
    second: Tensor
    third: Tensor
    strategy: str


def curvature(
    again: Again,
    scores: Tensor,
    first: Tensor | None = None,
    *,
    chunk: int | None = None,
    strategies: Sequence[str] = (*STRATEGIES, "graph"),
) -> Curvature:
    """Diagonal second and third derivatives of the scores `[n, b]` at a layer.

    `scores` and their gradient `first` `[n, b, c, *s]` are what the model gave the first time: what
    is found has to fit. `chunk` directions are in work at once (None: as many as fit into a few
    dozen megabytes); the result does not depend on it. The `strategies` are tried in the order of
    the table above. Raises `SurgeryError` where none is right.
    """
    _load_forward_mode()
    run = rerun_tail(again, scores)
    if first is None:
        (first,) = run.trace.gradients(run.scores)
    first = run.no_gradient() if first is None else at_least_float32(first)
    # With gradients: without them torch takes formulas for attention that go no further.
    with guard.untouched(run.trace.model, run.trace.left), torch.enable_grad():
        try:
            with no_rule_foreseen():
                return _by_tape(run, first, chunk, strategies)
        except torch.OutOfMemoryError:
            raise  # no word on the model: with fewer pictures it can be done
        except RuntimeError as error:
            why = reason(error)
            logger.debug("derivatives through autograd's graph: %s", why)
        if "graph" in strategies:
            try:
                return Curvature(first, *by_graph(run), "graph")
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                why = f"{why}; {first_line(error)}"
    raise SurgeryError(
        f"Expected a model that can be differentiated three times behind"
        f" {run.trace.cuts[0].layer!r}; {type(run.trace.model).__name__} cannot ({why}). Take"
        " alpha='paper', or a layer nearer to the output."
    )


def _by_tape(
    run: SecondRun, first: Tensor, chunk: int | None, strategies: Sequence[str]
) -> Curvature:
    """By the first strategy that is right; raises `Untaped` where none is."""
    tail = DiagonalDerivatives.of(run, chunk)
    why = "no strategy was asked for that fits"
    for name in strategies:
        found = STRATEGIES[name](tail) if name in STRATEGIES else None
        if found is None:
            continue  # it is not made for such a tape
        if tail.confirmed(found, first):
            return Curvature(first, found[1], found[2], name)
        why = f"by {name} derivatives came out that autograd does not confirm"
        logger.debug("derivatives by the next strategy: %s", why)
    raise Untaped(why)


@lru_cache(maxsize=1)
def _load_forward_mode() -> None:
    """Torch reads formulas of its own when forward mode is first used, and warns of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vmap(lambda x: jvp(torch.sin, (x,), (x,))[1])(
            torch.zeros(1, dtype=torch.float32, device="cpu")
        )


def by_graph(run: SecondRun) -> Both:
    """The same through the graph that autograd recorded, one activation after another."""
    _refuse_wrong_derivatives(run.scores)
    node, index = run.node, run.index
    found = torch.zeros(
        2,
        *run.scores.shape,
        node[0].numel(),
        dtype=at_least_float32(node).dtype,
        device=node.device,
    )
    with torch.enable_grad():
        for row, one in enumerate(run.scores):
            slope = gradient(one.sum(), node, graph=True)
            for at in index.flatten().tolist():
                second = gradient(slope.flatten(1)[:, at].sum(), node, graph=True)
                second = second.flatten(1)[:, at]
                found[0, row, :, at] = second.detach()
                third = gradient(second.sum(), node, graph=False)
                found[1, row, :, at] = third.flatten(1)[:, at]
    second, third = (one[..., index.flatten()].unflatten(-1, index.shape) for one in found)
    return second, third


def _refuse_wrong_derivatives(scores: Tensor) -> None:
    """Raises `NoRule` where torch's third derivatives are known to be wrong."""
    for node in nodes(scores):
        name = node.name()
        if name == "NativeLayerNormBackward0" or (
            name == "NativeBatchNormBackward0" and node._saved_training
        ):
            raise NoRule(
                f"torch's third derivatives of {name} take the mean and the deviation for constants"
            )
