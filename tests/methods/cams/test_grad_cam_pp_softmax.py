"""Grad-CAM++ of a softmax by hand: three classes, a network that is sure, nothing to tell apart.

Against autograd, with the other forms of the score: `test_score_forms.py`.
"""

import pytest
import torch

from helpers.closeness import assert_relative
from sightline.methods import grad_cam_pp_sigmoid, grad_cam_pp_softmax

SLOPES = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64).reshape(3, 1, 1, 1)
"""The gradients of three classes at one position of one channel."""
CHANCES = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)


def weight(activation, slopes=SLOPES, chances=CHANCES, explained=0, **options):
    activations = torch.full((1, 1, 1), activation, dtype=slopes.dtype)
    return grad_cam_pp_softmax(
        activations, slopes, chances, torch.tensor([explained]), **options
    ).item()


@pytest.mark.parametrize(("activation", "want"), [(0.0, 1.0), (1.0, 1 / 3), (2.0, 0.2)])
def test_three_classes_by_hand(activation, want):
    """m = 1, so d = 1, v = 1/2 + 0 + 4/4 = 3/2, t = 1/2 - 8/4 = -3/2. Divided by 1 - Y = 1/2 the
    three derivatives are 2, -1 and -4: alpha = -1 / (-2 - 4 A), the weight 2 alpha.
    """
    assert weight(activation) == pytest.approx(want)


def test_a_class_below_the_mean_of_the_classes_has_no_weight():
    """d is 1 - 1 = 0 for the second class, and -1 - 1 for the third."""
    assert [weight(1.0, explained=c, guard=False) for c in (1, 2)] == [0, 0]


def test_a_network_that_is_sure_keeps_its_map():
    """In single precision 1 - Y is 0. Over it the derivatives are 2, -4 and 8, so alpha is
    -4 / (-8 + 8/4) = 2/3.
    """
    sure = torch.tensor([[1.0, 1e-30]])
    slopes = torch.tensor([2.0, 0.0]).reshape(2, 1, 1, 1)
    assert weight(0.25, slopes, sure) == pytest.approx(4 / 3)


def test_classes_that_all_rise_alike_say_nothing():
    """Every derivative of Y is 0, and alpha 0/0: no evidence, and no nan."""
    assert [weight(1.0, torch.ones_like(SLOPES), guard=guard) for guard in (True, False)] == [0, 0]


def test_a_probability_that_is_no_number_shows_in_its_image_only():
    chances = torch.tensor([[0.5, torch.nan, 0.25], [0.5, 0.25, 0.25]], dtype=torch.float64)
    activations, slopes = torch.ones(2, 1, 1, dtype=torch.float64), SLOPES.expand(-1, 2, -1, -1)
    got = grad_cam_pp_softmax(activations, slopes, chances, torch.tensor([0, 0]))
    assert got[0].isnan()
    assert got[1].item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_two_classes_one_of_them_flat_are_a_sigmoid(alpha):
    torch.manual_seed(0)
    activations = torch.randn(4, 3, 5, 2, dtype=torch.float64).relu()
    gradients = torch.randn_like(activations)
    scores = torch.tensor([-30.0, -0.7, 1.3, 25.0], dtype=torch.float64)
    softmax = grad_cam_pp_softmax(
        activations,
        torch.stack([gradients, torch.zeros_like(gradients)]),
        torch.stack([scores, torch.zeros_like(scores)], 1).softmax(1),
        torch.zeros(4, dtype=torch.long),
        alpha=alpha,
    )
    assert_relative(
        softmax, grad_cam_pp_sigmoid(activations, gradients, scores, alpha=alpha), 1e-10
    )
