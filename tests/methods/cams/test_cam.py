"""CAM, and what it has to do with Grad-CAM."""

import pytest
import torch

from helpers.closeness import assert_relative
from helpers.tail_nets import Pooled, made, material
from sightline.methods import cam, grad_cam, xgrad_cam


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_cam_is_z_times_grad_cam_on_a_pooled_linear_head(axes):
    torch.manual_seed(0)
    tail, activations = made(Pooled(), axes, images=2)
    explained = torch.tensor([4, 1])
    gradients = material(tail, activations, explained)["gradients"]
    z = activations[0, 0].numel()
    head = tail.linear.weight.detach()[explained]
    assert_relative(cam(activations, head), z * grad_cam(gradients), 1e-12)


def test_so_is_xgrad_cam_where_a_channel_is_not_silent():
    torch.manual_seed(0)
    tail, activations = made(Pooled(), 2)
    activations[:, 1] = 0
    gradients = material(tail, activations, torch.tensor([4]))["gradients"]
    weights = xgrad_cam(activations, gradients).flatten()
    assert_relative(weights[[0, 2]], grad_cam(gradients).flatten()[[0, 2]], 1e-12)
    assert weights[1] == 0


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_one_weight_a_channel_and_as_many_axes_as_the_activations(axes):
    weights = cam(torch.zeros(2, 3, *[4] * axes), torch.arange(6.0).reshape(2, 3))
    assert weights.shape == (2, 3, *[1] * axes)
    assert weights.flatten().tolist() == [0, 1, 2, 3, 4, 5]
