"""What each operator adds of its own, in numbers that one can check by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.backward import like
from helpers.nets import batch, convnet
from sightline.surgery.backward.biases import Biases


def terms(function, *values):
    """The biases of what ran on values that need a gradient."""
    x = torch.tensor(values).double().requires_grad_()
    with Biases() as biases:
        function(x)
    return [one.bias() for one in biases.terms]


def test_convolutions_and_linear_layers_have_theirs():
    linear = nn.Linear(2, 2).double()
    (bias,) = terms(linear, [1.0, 2.0])
    assert torch.equal(bias, linear.bias)
    conv = nn.Conv1d(1, 3, 1).double()
    (bias,) = terms(conv, [[1.0, 2.0]])
    assert torch.equal(bias.flatten(), conv.bias)
    assert bias.shape == (3, 1)


def test_without_a_bias_there_is_none():
    assert terms(nn.Linear(2, 2, bias=False).double(), [1.0, 2.0]) == []
    assert terms(F.relu, [1.0, -2.0]) == []


def test_batch_norm_implies_one():
    """2 (x - 3) / sqrt(4) + 5 = x + 2."""
    norm = nn.BatchNorm1d(1, eps=0.0).double().eval()
    norm.running_mean.fill_(3.0)
    norm.running_var.fill_(4.0)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 5.0)
    (bias,) = terms(norm, [[7.0]])
    assert bias.flatten().tolist() == [2.0]


@pytest.mark.parametrize("norm", [nn.LayerNorm(2), nn.GroupNorm(1, 2)], ids=str)
def test_other_norms_have_what_they_add(norm):
    nn.init.constant_(norm.bias, 0.5)
    (bias,) = terms(norm.double(), [1.0, 3.0])
    assert bias.flatten().tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("function", "value", "implied"),
    [
        (F.relu6, 9.0, 6.0),
        (F.relu6, 3.0, 0.0),
        (F.hardtanh, -4.0, -1.0),
        (torch.sigmoid, 0.0, 0.5),
        (torch.tanh, 0.0, 0.0),
        (F.softplus, 0.0, 0.6931471805599453),
    ],
)
def test_a_pointwise_activation_implies_what_its_tangent_misses(function, value, implied):
    """f(z) - f'(z) z: where the tangent meets the axis."""
    (bias,) = terms(function, [value])
    assert float(bias) == pytest.approx(implied)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [F.hardswish, F.silu, F.gelu, F.mish, F.elu, F.softplus])
def test_an_open_gate_implies_none(function, dtype):
    """Else a layer of open gates, all of it rounding, would be scaled to [0, 1] by FullGrad."""
    z = torch.linspace(40, 4000, 1001, dtype=dtype).requires_grad_()
    with Biases() as biases:
        function(z)
    assert not biases.terms[0].bias().any()


def test_what_is_in_place_is_as_it_was_before():
    (bias,) = terms(lambda x: F.hardtanh(x * 1, inplace=True), [5.0])
    assert float(bias) == 1.0


def test_with_what_comes_back_they_make_up_the_score():
    """Of a network in pieces: the gradient times the input, and every bias times its own."""
    net, x = convnet(head="fc").double(), batch().double().requires_grad_()
    with Biases() as biases:
        scores = net(x)[:, 1]
    outputs = [one.output for one in biases.terms]
    slopes = torch.autograd.grad(scores.sum(), [x, *outputs])
    total = (slopes[0] * x).flatten(1).sum(1)
    for slope, one in zip(slopes[1:], biases.terms, strict=True):
        total = total + (slope * one.bias()).flatten(1).sum(1)
    like(total, scores, 1e-9)
