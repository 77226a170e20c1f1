"""The second run: that it gives the first one's scores, where activations lie, what is close."""

import pytest
import torch
from torch import nn

from helpers.tapes import ASKED, second_run
from sightline.errors import SurgeryError
from sightline.surgery import capture
from sightline.surgery.derivatives.second_run import (
    gradient,
    largest,
    read,
    rerun_tail,
    same_gradient,
    same_scores,
)

NAN, INF = float("nan"), float("inf")


class Squares(nn.Module):
    """Scores by hand: one times the sum of squares, two times, three times."""

    def forward(self, x):
        total = x.square().flatten(1).sum(1, keepdim=True)
        return total * torch.tensor([1.0, 2.0, 3.0], dtype=x.dtype)


def net():
    return nn.Sequential(nn.Identity(), Squares()).eval()


def test_scores_and_their_derivative_by_hand():
    """The sum of squares of 0 to 5 is 55; classes 0 and 2 are asked for. d/dx of 3 x^2 is 6 x."""
    x = torch.arange(6.0, dtype=torch.float64).reshape(1, 1, 2, 3)
    run = second_run(net(), x)
    assert run.scores.tolist() == [[55], [165]]
    assert torch.equal(gradient(run.scores[1, 0], run.node, graph=False), 6 * x)
    assert not run.half_precision
    tape, most = run.tape()
    assert tape.start.numel() <= most
    assert most == 6


def test_a_score_without_a_graph_has_no_slope():
    node = torch.ones(1, 2, requires_grad=True)
    assert gradient(torch.tensor(3.0), node, graph=True).tolist() == [[0, 0]]
    assert gradient(torch.ones(1, requires_grad=True).sum(), node, graph=False).tolist() == [[0, 0]]


def test_where_the_activations_are_in_the_layer_s_own_output():
    run = second_run(net(), torch.zeros(2, 3, 2, 2))
    assert run.index.tolist() == torch.arange(12).reshape(3, 2, 2).tolist()
    turned = torch.tensor([[[2, 0], [3, 1]]])  # one channel, from behind
    found = torch.tensor([[[[10.0, 11.0, 12.0, 13.0]]]])
    assert read(found, turned).tolist() == [[[[[12, 10], [13, 11]]]]]


def test_no_gradient_is_zeros_in_single_precision_at_least():
    run = second_run(net(), torch.zeros(2, 3, 2, 2, dtype=torch.bfloat16))
    assert run.half_precision
    zero = run.no_gradient()
    assert (zero.shape, zero.dtype) == ((len(ASKED), 2, 3, 2, 2), torch.float32)
    assert not zero.any()


def test_a_model_that_does_not_repeat_its_scores_is_named():
    def again():
        trace = capture(net(), torch.ones(1, 1, 2, 2), "0")
        return trace, trace.outputs.T

    for wrong in (again()[1] * 1.01, again()[1][:2]):
        with pytest.raises(SurgeryError) as told:
            rerun_tail(again, wrong)
        assert str(told.value).startswith(
            "Expected Sequential to give the same scores when it runs again; it does not. Take a"
        )


@pytest.mark.parametrize(
    ("got", "half", "same"),
    [
        ([100.05, 0.05], False, True),
        ([100.2, 0.0], False, False),
        ([105.0, -5.0], True, True),
        ([115.0, 0.0], True, False),
        ([100.0, NAN], False, False),
    ],
)
def test_scores_are_the_same_by_a_share_of_the_largest(got, half, same):
    """Of 100 a thousandth is 0.1, in half precision a tenth is 10."""
    assert same_scores(torch.tensor(got), torch.tensor([100.0, 0.0]), half) is same


def test_what_is_no_number_in_both_is_told_elsewhere():
    assert same_scores(torch.tensor([1.0, NAN]), torch.tensor([1.0, INF]), False)
    assert not same_scores(torch.tensor([1.0]), torch.tensor([1.0, 1.0]), False)


def test_gradients_are_compared_more_closely_than_scores():
    """A share of 1e-6 in double precision, 10 000 roundings (1.2e-3) in single."""
    want = torch.tensor([2.0, 0.0], dtype=torch.float64)
    off = lambda by: want + torch.tensor([0.0, by])  # noqa: E731
    assert same_gradient(off(1.9e-6), want, False)
    assert not same_gradient(off(2.1e-6), want, False)
    assert same_gradient(off(2.3e-3).float(), want.float(), False)
    assert not same_gradient(off(2.5e-3).float(), want.float(), False)
    assert same_gradient(off(0.19), want, True)


def test_the_largest_value_leaves_out_what_is_no_number():
    assert largest(torch.tensor([NAN, -INF, -2.0, 1.0])) == 2
    assert largest(torch.tensor([NAN])) == 0
