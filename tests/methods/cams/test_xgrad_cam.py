"""XGrad-CAM: the paper's conservation, and the policy for silent channels."""

import torch

from helpers.closeness import assert_relative
from sightline.maps.combine import combine
from sightline.methods import xgrad_cam


def test_conservation():
    """The axiom it is made from: the map sums to the sum of gradient times activation, channel by
    channel.
    """
    torch.manual_seed(0)
    activations = torch.randn(2, 5, 3, 4, dtype=torch.float64).relu()
    gradients = torch.randn_like(activations)
    weights = xgrad_cam(activations, gradients)
    want = (activations * gradients).sum((2, 3), keepdim=True)
    assert_relative(weights * activations.sum((2, 3), keepdim=True), want, 1e-12)
    assert_relative(combine(weights, activations).sum((1, 2)), want.sum((1, 2, 3)), 1e-12)


def test_a_channel_whose_sum_is_zero_has_weight_zero():
    """Dead behind a ReLU, and balanced elsewhere: neither is nan nor inf."""
    activations = torch.tensor([[[0.0, 0.0], [1.0, -1.0], [1.0, 1.0]]])
    gradients = torch.tensor([[[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]]])
    assert xgrad_cam(activations, gradients).flatten().tolist() == [0.0, 0.0, 5.5]


def test_that_is_the_smallest_least_squares_solution():
    """Of w x sum(A) = sum(A g), by the pseudo-inverse."""
    activations = torch.tensor([[[1.0, -1.0], [2.0, 3.0]]], dtype=torch.float64)
    gradients = torch.tensor([[[3.0, -4.0], [1.0, -1.0]]], dtype=torch.float64)
    for k in range(2):
        total = activations[0, k].sum().reshape(1, 1)
        right = (activations[0, k] * gradients[0, k]).sum().reshape(1, 1)
        want = torch.linalg.pinv(total) @ right
        assert_relative(xgrad_cam(activations, gradients)[0, k].reshape(1, 1), want, 1e-12)


def test_what_is_not_a_number_stays_visible_beside_a_silent_channel():
    activations, gradients = torch.ones(1, 2, 2), torch.ones(1, 2, 2)
    activations[0, 0] = 0
    gradients[0, 1, 0] = torch.nan
    assert xgrad_cam(activations, gradients).isnan().flatten().tolist() == [False, True]
