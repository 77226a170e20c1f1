"""Layer-CAM against its neighbours."""

import torch

from helpers.closeness import assert_near
from sightline.maps.combine import combine
from sightline.methods import hires_cam, layer_cam


def test_only_positive_gradients_each_at_its_own_place():
    assert layer_cam(torch.tensor([[[2.0, -3.0, 0.0]]])).tolist() == [[[2.0, 0.0, 0.0]]]


def test_behind_a_relu_its_map_is_never_negative():
    torch.manual_seed(0)
    activations, gradients = torch.randn(2, 3, 4, 5).relu(), torch.randn(2, 3, 4, 5)
    assert (combine(layer_cam(gradients), activations) >= 0).all()


def test_for_and_against_make_hires_cam():
    torch.manual_seed(0)
    activations, gradients = torch.randn(2, 3, 4, 5).double(), torch.randn(2, 3, 4, 5).double()
    balance = combine(layer_cam(gradients), activations) - combine(
        layer_cam(-gradients), activations
    )
    assert_near(balance, combine(hires_cam(gradients), activations), 1e-12)
