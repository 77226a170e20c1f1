"""Grad-CAM+ on numbers one can check by hand."""

import torch

from sightline.methods import grad_cam_plus


def test_negative_gradients_count_as_zero_and_stay_in_the_mean():
    gradients = torch.tensor([[[[3.0, -3.0], [1.0, 0.0]], [[-1.0, -1.0], [-1.0, -1.0]]]])
    assert grad_cam_plus(gradients).tolist() == [[[[1.0]], [[0.0]]]]
