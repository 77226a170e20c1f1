"""Each strategy by itself: where it is made for the tape it is right, and mistakes are seen."""

import pytest
import torch

from helpers import curved_tails
from helpers.tapes import second_run
from sightline.surgery.derivatives.diagonal import STRATEGIES, DiagonalDerivatives, nested

NAMES = {
    "straight": "relu",
    "powers": "silu",
    "pooled": "pooled, two layers",
    "coloured": "two pointwise layers",
}
"""For each strategy a tail that it is made for."""


def diagonal(name):
    run = second_run(*curved_tails.made(name))
    return DiagonalDerivatives.of(run, None), run.trace.gradients(run.scores)[0]


@pytest.mark.parametrize("strategy", NAMES)
def test_a_strategy_gives_what_every_direction_by_itself_gives(strategy):
    tail, first = diagonal(NAMES[strategy])
    found, want = STRATEGIES[strategy](tail), STRATEGIES["directions"](tail)
    assert tail.confirmed(found, first)
    for one, other in zip(found, want, strict=True):
        torch.testing.assert_close(one.expand_as(other), other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("strategy", NAMES)
def test_it_knows_what_it_is_not_made_for(strategy):
    assert STRATEGIES[strategy](diagonal("attention")[0]) is None


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_mistake_of_one_in_a_thousand_is_not_confirmed(order):
    tail, first = diagonal("silu")
    found = list(tail.powers())
    assert tail.confirmed(found, first)
    found[order] = found[order] * 1.001
    assert not tail.confirmed(found, first)


def test_torchs_nested_forward_mode_of_a_polynomial():
    """S = sum x^3 along one direction: 3 x^2, 6 x, 6."""

    class Cube(torch.nn.Module):
        def forward(self, x):
            return (x**3).flatten(2).sum(2)

    net = torch.nn.Sequential(torch.nn.Identity(), Cube()).eval()
    x = torch.full((1, 3, 1, 1), 2.0, dtype=torch.float64)
    tape, _ = second_run(net, x).tape()
    move = torch.tensor([1.0, 0.0, 0.0]).double().reshape(1, 3, 1, 1)
    found = [one[:, 0].tolist() for one in nested(tape, move)]
    assert found == [[12.0, 0.0], [12.0, 0.0], [6.0, 0.0]]
