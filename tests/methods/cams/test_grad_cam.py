"""Grad-CAM on numbers one can check by hand, and its counterfactual."""

import torch

from helpers.closeness import assert_relative
from sightline.methods import grad_cam, grad_cam_plus


def test_the_mean_over_all_spatial_axes():
    gradients = torch.arange(24.0).reshape(1, 2, 3, 4) - 5
    assert grad_cam(gradients).tolist() == [[[[0.5]], [[12.5]]]]


def test_negated_gradients_are_the_counterfactual():
    torch.manual_seed(0)
    gradients = torch.randn(2, 3, 4, 5)
    assert torch.equal(grad_cam(-gradients), -grad_cam(gradients))


def test_evidence_for_less_evidence_against_is_all_evidence():
    torch.manual_seed(0)
    gradients = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    assert_relative(
        grad_cam_plus(gradients) - grad_cam_plus(-gradients), grad_cam(gradients), 1e-12
    )
