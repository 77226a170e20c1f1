"""Grad-CAM++ of a sigmoid by hand, on both sides of its middle, and far from it.

Against autograd, with the other forms of the score: `test_score_forms.py`.
"""

import math

import pytest
import torch

from helpers.closeness import assert_near
from sightline.methods import grad_cam_pp, grad_cam_pp_sigmoid


def weight(score, activation, gradient=1.0, **options):
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    return grad_cam_pp_sigmoid(
        activation * one, gradient * one, torch.tensor([score], dtype=torch.float64), **options
    ).item()


@pytest.mark.parametrize(("sign", "want"), [(1, 0.4), (-1, 2 / 3)])
def test_both_sides_of_the_middle_by_hand(sign, want):
    """Y is 3/4 or 1/4: q = 3/16, 1 - 6q = -1/8, and with A = 2 alpha is -+1/2 / (-+1 - 1/4)."""
    assert weight(sign * math.log(3), 2.0) == pytest.approx(want)


def test_a_negative_gradient_has_no_weight():
    assert weight(math.log(3), 2.0, gradient=-1.0) == 0


def test_beyond_the_pole_alpha_is_negative_and_the_guard_takes_a_half():
    """Y = 1/4: the denominator 1 - A/8 is 0 at A = 8, and -1 at A = 16."""
    counted = []
    tally = lambda word, places: counted.append((word, int(places.sum())))  # noqa: E731
    assert weight(-math.log(3), 16.0, guard=False) == pytest.approx(-0.5)
    assert weight(-math.log(3), 16.0, tally=tally) == 0.5
    assert counted == [("guarded", 1)]


def test_far_from_its_bend_the_sigmoid_is_an_exponential():
    torch.manual_seed(0)
    activations = torch.randn(1, 3, 5, 2, dtype=torch.float64).relu()
    gradients = torch.randn_like(activations)
    unlikely = grad_cam_pp_sigmoid(
        activations, gradients, torch.tensor([-35.0], dtype=torch.float64)
    )
    assert_near(unlikely, grad_cam_pp(activations, gradients), 1e-12)


def test_the_guard_acts_everywhere_in_the_middle_of_a_sigmoid():
    """At S = 0 nothing bends and alpha is 0: the letter of the paper shows nothing, the guard
    Grad-CAM+.
    """
    activations, gradients, middle = torch.ones(1, 1, 3), torch.ones(1, 1, 3), torch.zeros(1)
    assert grad_cam_pp_sigmoid(activations, gradients, middle, guard=False).item() == 0.0
    assert grad_cam_pp_sigmoid(activations, gradients, middle).item() == 1.5
