"""Element-wise Grad-CAM: hand values, and what it is beside Layer-CAM and HiResCAM."""

import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import explain
from sightline.maps.combine import combine
from sightline.methods import elementwise_grad_cam, hires_cam


def test_four_signs_by_hand():
    activations = torch.tensor([[[2.0, 2.0, -1.0, -1.0, 0.0]]])
    gradients = torch.tensor([[[1.0, -3.0, 5.0, -5.0, 4.0]]])
    weights = elementwise_grad_cam(activations, gradients)
    assert weights.tolist() == [[[1, 0, 0, -5, 0]]]
    assert combine(weights, activations).tolist() == [[2, 0, 0, 5, 0]]


def test_behind_a_relu_it_is_layer_cam():
    net, x = convnet(head="fc"), batch()
    found = explain(net, x, 1, ["layer_cam", "elementwise_grad_cam"])
    assert_near(found["elementwise_grad_cam"].coarse, found["layer_cam"].coarse, 1e-6)


def test_for_and_against_make_hires_cam():
    """What is cut off is what the counterfactual map shows."""
    net, x = convnet(head="fc"), batch()
    both = [
        explain(net, x, 1, "elementwise_grad_cam", "3", counterfactual=one).coarse
        for one in (False, True)
    ]
    assert (both[0] >= 0).all()
    assert (both[1] >= 0).all()
    assert_near(both[0] - both[1], explain(net, x, 1, "hires_cam", "3").coarse, 1e-5)


def test_no_number_shows():
    activations, gradients = torch.ones(1, 1, 2), torch.tensor([[[torch.nan, -1.0]]])
    assert combine(elementwise_grad_cam(activations, gradients), activations).isnan().tolist() == [
        [True, False]
    ]
    assert hires_cam(gradients).isnan().any()
