"""Which operators are linear in pieces, and derivatives by the powers of a matrix's elements."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers import curved_tails
from helpers.tapes import second_run, tape_of
from reference.true_derivatives import true_derivatives
from sightline.surgery.derivatives.piecewise_linear import (
    by_powers,
    is_linear,
    last_nonlinear,
    weights_behind,
)

MATRIX = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))


class Tail(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x).flatten(1)[:, :3]


LINEAR = {
    "mean": lambda x: x.mean((2, 3)),
    "sum with itself": lambda x: x + x.flip(3),
    "times a constant": lambda x: x * 2.5,
    "matrix": lambda x: x @ MATRIX,
    "relu": F.relu,
    "max pool": lambda x: F.max_pool2d(x, 2),
    "batch norm": nn.BatchNorm2d(3).eval(),
    "divided by a constant": lambda x: x / 3,
}
NONLINEAR = {
    "times itself": lambda x: x * x.flip(3),
    "divided by itself": lambda x: x / (x.flip(3) + 9),
    "constant by x": lambda x: 2 / (x + 9),
    "silu": F.silu,
    "softmax": lambda x: x.softmax(3),
    "floor": lambda x: torch.div(x, 0.5, rounding_mode="floor") * x,
    "batch norm of the batch": lambda x: F.instance_norm(x),
}


@pytest.mark.parametrize("name", LINEAR)
def test_these_are_linear(name):
    tape = tape_of(Tail(LINEAR[name]), torch.randn(2, 3, 4, 5))
    assert all(is_linear(step) for step in tape.steps)
    assert last_nonlinear(tape) == 0


@pytest.mark.parametrize("name", NONLINEAR)
def test_these_are_not(name):
    tape = tape_of(Tail(NONLINEAR[name]), torch.rand(2, 3, 4, 5))
    assert not all(is_linear(step) for step in tape.steps)
    assert last_nonlinear(tape) > 0


def test_the_weights_behind_are_the_gradient():
    net, x = curved_tails.made("relu")
    run = second_run(net, x)
    tape, _ = run.tape()
    (want,) = run.trace.gradients(run.scores)
    torch.testing.assert_close(weights_behind(tape, 0, 0, tape.start), want)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "name", [name for name, (way, _) in curved_tails.TAILS.items() if way == "powers"]
)
def test_by_powers_are_the_true_ones(name, axes):
    net, x = curved_tails.made(name, axes, images=1)
    found = by_powers(second_run(net, x).tape()[0])
    want = true_derivatives(lambda a: net(a)[0, 2], x)
    for got, true in zip(found, want, strict=True):
        scale = float(true.abs().max())
        torch.testing.assert_close(got[1], true, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("name", ["relu", "squeeze and excitation", "two pointwise layers"])
def test_where_it_is_not_made_for_the_tape_it_is_none(name):
    assert by_powers(second_run(*curved_tails.made(name)).tape()[0]) is None
