"""Eigen-Grad-CAM by hand, what it forgets, half precision.

What it has in common with Eigen-CAM, material that breaks a decomposition: `test_eigen_cam.py`.
"""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.eigen_cam import eigen_grad_cam as slowly
from sightline import explain
from sightline.maps.combine import combine
from sightline.methods import eigen_grad_cam


def relu(*shape, seed=0):
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).relu()


def test_a_channel_against_the_class_is_turned_round_by_hand():
    """The contributions are (10, 10, 10) and (0, 0, -3). Less their mean only the second channel
    varies, by (1, 1, -2): its axis is -1, the weight -1 x -1, and the place is bright.
    """
    activations = torch.tensor([[[10.0, 10.0, 10.0], [0.0, 0.0, 3.0]]])
    gradients = torch.tensor([[[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]])
    weights = eigen_grad_cam(activations, gradients, centred=True)
    assert weights.tolist() == [[[0, 0, 0], [1, 1, 1]]]
    assert combine(weights, activations).tolist() == [[0, 0, 3]]
    assert eigen_grad_cam(activations, gradients)[0, 0, 0] > 0.99  # with the mean, the first


def test_a_gradient_of_its_own_at_each_place_by_hand():
    """Contributions diag(1, 2): the axis is the second channel, the map 0 and 2, as A is (2, 1)
    there and the gradient (0, 2).
    """
    activations = torch.tensor([[[1.0, 3.0], [2.0, 1.0]]])
    gradients = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    weights = eigen_grad_cam(activations, gradients)
    assert weights.tolist() == [[[0, 0], [0, 2]]]
    assert combine(weights, activations).tolist() == [[0, 2]]


def test_it_forgets_the_sign_behind_a_pooled_linear_head():
    net, x = convnet(), batch()
    e = explain(net, x, 1, "eigen_grad_cam")
    assert (e.coarse >= -1e-9).all()
    assert (explain(net, x, 1, "hires_cam").coarse < 0).any()
    assert_near(explain(net, x, 1, "eigen_grad_cam", counterfactual=True).coarse, e.coarse, 1e-6)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype, centred):
    activations, gradients = (
        relu(2, 16, 5, 4).to(dtype),
        (relu(2, 16, 5, 4, seed=1) - 0.5).to(dtype),
    )
    got = eigen_grad_cam(activations, gradients, centred=centred)
    assert got.dtype == torch.float32
    assert_near(got, slowly(activations, gradients, centred), 1e-6)
