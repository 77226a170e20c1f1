"""The model run once more behind a layer, for derivatives of higher order: recorded, and compared.

What `curvature` and `second_order` have in common. The second run has to give the scores of the
first; its tape has to give those of the second run; and what comes out, autograd's first
derivatives.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightline.errors import SurgeryError
from sightline.surgery.backward.batch_norm import derivatives
from sightline.surgery.derivatives.nests import found_in
from sightline.surgery.derivatives.tape import Recorder, Step, Tape, Untaped
from sightline.surgery.layer_trace import Trace
from sightline.tensors import at_least_float32

Again = Callable[[], tuple[Trace, Tensor]]
"""Runs the model once more, opened at one layer: a trace, and scores `[n, b]` with their graph."""


@dataclass
class SecondRun:
    """A trace, its scores `[n, b]` with their graph, and every operator that ran.

    `half_precision` tells that what is compared with was computed in it.
    """

    trace: Trace
    scores: Tensor
    half_precision: bool
    _recorder: Recorder

    @property
    def node(self) -> Tensor:
        """The layer's own output, where the graph begins."""
        return self.trace.cuts[0].node

    @property
    def index(self) -> Tensor:
        """`[c, *s]`: where in one image's own output of the layer each activation is."""
        flat = torch.arange(self.node[0].numel(), device=self.node.device)
        index: Tensor = self.trace.cuts[0].grid.read(flat.reshape(1, *self.node.shape[1:]))[0]
        return index

    def no_gradient(self) -> Tensor:
        """Zeros `[n, b, c, *s]`, of scores that do not depend on the layer."""
        activations = self.trace.activations
        zero = at_least_float32(activations.new_zeros(()))
        return zero.expand(*self.scores.shape, *activations.shape[1:])

    def tape(self) -> tuple[Tape, int]:
        """What leads to the scores, and how many numbers its largest tensor has. Once only.

        Raises `Untaped` where there is none, or where it does not give the scores.
        """
        tape = self._recorder.tape(self.node, self.scores)
        largest = tape.start.numel()

        def measure(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            nonlocal largest
            found = step.op(*args, **kwargs)
            largest = max([largest, *(one.numel() for one in found_in(found, Tensor))])
            return found

        if not same_scores(tape.play(tape.start, measure), self.scores, self.half_precision):
            raise Untaped("run again from the layer, the model says something else")
        return tape, largest


def rerun_tail(again: Again, scores: Tensor) -> SecondRun:
    """Run the model again, recorded. Raises `SurgeryError` where it does not repeat its scores."""
    recorder = Recorder()
    with recorder:
        trace, found = again()
    half = min(one.dtype.itemsize for one in (scores, trace.cuts[0].node)) < 4
    if not same_scores(found, scores, half):
        raise SurgeryError(
            f"Expected {type(trace.model).__name__} to give the same scores when it runs again; it"
            " does not. Take a model that does not draw random numbers in eval mode, and a target"
            " that asks the same of the same outputs."
        )
    return SecondRun(trace, found, half, recorder)


def gradient(score: Tensor, node: Tensor, *, graph: bool) -> Tensor:
    """The derivative of one number, itself with a graph or without; zeros where there is none."""
    if not score.requires_grad:
        return torch.zeros_like(node)
    return derivatives(score, node, create_graph=graph, retain_graph=True, materialize_grads=True)


def read(found: Tensor, index: Tensor) -> Tensor:
    """`[n, b, ...]` in the layer's own layout as `[n, b, c, *s]`."""
    activations: Tensor = found.flatten(2)[..., index.flatten()].unflatten(2, index.shape)
    return activations


def same_scores(got: Tensor, want: Tensor, half_precision: bool) -> bool:
    """Whether two runs gave the same scores: a check for mistakes, not for digits."""
    got, want = at_least_float32(got.detach()), at_least_float32(want.detach())
    share = 0.1 if half_precision else 1e-3
    return got.shape == want.shape and close_enough(got, want, share * largest(want))


def same_gradient(got: Tensor, want: Tensor, half_precision: bool) -> bool:
    """Whether first derivatives are autograd's."""
    share = 0.1 if half_precision else max(1e4 * torch.finfo(want.dtype).eps, 1e-6)
    return close_enough(got, want, share * largest(want))


def close_enough(got: Tensor, want: Tensor, bar: float) -> bool:
    """Whether no number is further off than the bar. NaN in both is reported elsewhere."""
    return bool(((got - want).abs() <= bar).logical_or(~want.isfinite() & ~got.isfinite()).all())


def largest(values: Tensor) -> float:
    """The largest absolute value; NaN and infinity are left out."""
    return float(values.abs().nan_to_num(0, 0).max())
