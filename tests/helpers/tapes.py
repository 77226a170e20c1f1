"""Tapes of small tails, for tests of what is done with them."""

from torch import Tensor, nn

from sightline.surgery import capture
from sightline.surgery.derivatives.second_run import SecondRun, rerun_tail
from sightline.surgery.derivatives.tape import Tape

ASKED = (0, 2)


def second_run(net: nn.Module, activations: Tensor, layer: str = "0") -> SecondRun:
    """Two classes of a network, run again behind a layer."""

    def again():
        trace = capture(net, activations, layer)
        return trace, trace.outputs[:, list(ASKED)].T

    return rerun_tail(again, again()[1])


def tape_of(tail: nn.Module, activations: Tensor) -> Tape:
    """What stands behind the activations, to two of its outputs `[b, k]`."""
    return second_run(nn.Sequential(nn.Identity(), tail).eval(), activations).tape()[0]
