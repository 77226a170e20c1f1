"""Closed-form derivatives against differentiating three times, and where floating point bites."""

import pytest
import torch
from torch.nn.functional import logsigmoid

from helpers.closeness import assert_near, assert_relative
from helpers.tail_nets import CLASSES, Pooled, deep, made, material
from reference.true_derivatives import true_derivatives
from reference.unfused_derivatives import (
    exp_derivatives,
    sigmoid_derivatives,
    softmax_derivatives,
)
from sightline.methods.cams.common import derivatives
from sightline.methods.cams.common.derivatives import (
    log_softmax_derivatives,
    softmax_shape,
)

FORMS = {
    "exp": lambda logits, c: logits[0, c].exp(),
    "softmax": lambda logits, c: logits.softmax(1)[0, c],
    "log_softmax": lambda logits, c: logits.log_softmax(1)[0, c],
    "sigmoid": lambda logits, c: logits[0, c].sigmoid(),
}


def closed(form, m):
    if form == "exp":
        factor = m["scores"].exp().reshape(-1, *[1] * (m["gradients"].ndim - 1))
        return [factor * derivative for derivative in exp_derivatives(m["gradients"])]
    if form == "sigmoid":
        return sigmoid_derivatives(m["gradients"], m["scores"])
    function = softmax_derivatives if form == "softmax" else log_softmax_derivatives
    return function(m["class_gradients"], m["probabilities"], m["explained"])


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("head", ["deep", "pooled"])
def test_closed_forms_are_the_true_diagonal_derivatives(form, axes, head):
    torch.manual_seed(axes)
    tail, activations = made(deep(axes) if head == "deep" else Pooled(), axes)
    for c in range(CLASSES):
        m = material(tail, activations, torch.tensor([c]))
        truth = true_derivatives(lambda a, c=c: FORMS[form](tail(a), c), activations)
        assert all(int((derivative != 0).sum()) >= 6 for derivative in truth)
        for ours, true in zip(closed(form, m), truth, strict=True):
            assert_relative(ours, true, 1e-10)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("form", ["softmax", "log_softmax"])
def test_spatially_constant_gradients_may_be_given_once_a_channel(form, axes):
    torch.manual_seed(0)
    tail, activations = made(Pooled(), axes, images=2)
    m = material(tail, activations, torch.tensor([0, 3]))
    full = closed(form, m)
    m["class_gradients"] = m["class_gradients"][(..., *[slice(0, 1)] * axes)]
    for once, everywhere in zip(closed(form, m), full, strict=True):
        assert once.shape == (2, activations.shape[1], *[1] * axes)
        assert_relative(once.expand_as(everywhere), everywhere, 1e-12)


@pytest.mark.parametrize("form", ["softmax", "log_softmax"])
def test_taking_the_classes_in_portions_changes_nothing(form, monkeypatch):
    torch.manual_seed(0)
    tail, activations = made(deep(2), 2, images=2)
    m = material(tail, activations, torch.tensor([1, 4]))
    at_once = closed(form, m)
    portions = []

    def two_at_a_time(gradients, weights, whole=derivatives._some_at_a_time):
        for portion in whole(gradients, weights, numbers=2 * gradients[0].numel()):
            portions.append(len(portion[0]))
            yield portion

    monkeypatch.setattr(derivatives, "_some_at_a_time", two_at_a_time)
    for ours, want in zip(closed(form, m), at_once, strict=True):
        assert_relative(ours, want, 1e-12)
    assert portions[:3] == [2, 2, 1]


def two_classes(s, gap, dtype):
    """Two classes with logits `(gap, 0)` and slopes `(s, 0)`: a sigmoid, really."""
    slopes = torch.tensor([s, 0.0], dtype=dtype).reshape(2, 1, 1, 1)
    return slopes, torch.tensor([[gap, 0.0]], dtype=dtype).softmax(1), torch.tensor([0])


@pytest.mark.parametrize("gap", [-60.0, -20.0, -1.5, 1.5, 20.0, 60.0, 85.0])
def test_a_sure_network_keeps_its_derivatives_in_float32(gap):
    """Where 1 - Y rounds to 0 the textbook form `d = s - sum p s` has lost every digit."""
    want = sigmoid_derivatives(
        torch.tensor([[[0.01]]], dtype=torch.float64), torch.tensor([gap]).double()
    )
    got = softmax_derivatives(*two_classes(0.01, gap, torch.float32))
    for ours, true in zip(got, want, strict=True):
        if float(true.abs()) > 1e-37:  # what float32 can hold
            assert_relative(ours, true, 2e-5)
    q = torch.tensor(gap).double().sigmoid() * torch.tensor(-gap).double().sigmoid()
    for ours, true in zip(softmax_shape(*two_classes(0.01, gap, torch.float32)), want, strict=True):
        assert_relative(ours, true / q, 2e-5)


@pytest.mark.parametrize("gap", [-60.0, -20.0, -1.5, 1.5, 20.0, 60.0])
def test_log_softmax_keeps_its_digits_in_float32(gap):
    """Y = log sigmoid(S): Y' = (1 - p) s, Y'' = -q s^2, Y''' = -q (1 - 2p) s^3."""
    scalar = torch.tensor(gap, dtype=torch.float64)
    p, rest = scalar.sigmoid(), (-scalar).sigmoid()
    want = rest * 0.01, -p * rest * 0.01**2, p * rest * (scalar / 2).tanh() * 0.01**3
    got = log_softmax_derivatives(*two_classes(0.01, gap, torch.float32))
    for ours, true in zip(got, want, strict=True):
        assert_relative(ours, true.reshape(1, 1, 1), 2e-5)


@pytest.mark.parametrize("explained", [0, 1, 2])
def test_log_softmax_of_any_class_where_the_network_is_sure(explained):
    """v and t are those of the class that is hardly there, and no rounding of the one that is."""
    small = 1e-20
    chances = torch.tensor([[1.0, small, 0.0]])
    gradients = torch.tensor([0.7, 1.9, -0.3]).view(3, 1, 1, 1)
    _, second, third = log_softmax_derivatives(gradients, chances, torch.tensor([explained]))
    e = float(gradients[1] - gradients[0])
    assert second.item() == pytest.approx(-small * e**2, rel=1e-5, abs=0)
    assert third.item() == pytest.approx(-small * e**3, rel=1e-5, abs=0)


def test_log_softmax_by_hand_is_the_derivative_of_log_sigmoid():
    """The twin of the test above: its closed form is right too."""
    x = torch.tensor([[[0.7]]], dtype=torch.float64)
    truth = true_derivatives(lambda a: logsigmoid(0.01 * a.sum()), x)
    p = torch.sigmoid(0.01 * x)
    q = p * (1 - p)
    for ours, true in zip(((1 - p) * 0.01, -q * 1e-4, -q * (1 - 2 * p) * 1e-6), truth, strict=True):
        assert_relative(ours, true, 1e-10)


@pytest.mark.parametrize("function", [softmax_derivatives, softmax_shape, log_softmax_derivatives])
def test_only_differences_between_the_classes_count(function):
    """Logits are free up to a function common to all classes: its slope must change nothing."""
    torch.manual_seed(0)
    tail, activations = made(deep(2), 2, images=3)
    m = material(tail, activations, torch.tensor([0, 2, 4]))
    arguments = m["probabilities"], m["explained"]
    common = torch.randn_like(activations)
    moved = function(m["class_gradients"] + common, *arguments)
    for ours, want in zip(moved, function(m["class_gradients"], *arguments), strict=True):
        assert_near(ours, want, 1e-10)


def test_log_softmax_bends_the_same_way_for_every_class():
    torch.manual_seed(0)
    tail, activations = made(deep(2), 2)
    m = material(tail, activations, torch.tensor([0]))
    of_class = [
        log_softmax_derivatives(m["class_gradients"], m["probabilities"], torch.tensor([c]))
        for c in range(CLASSES)
    ]
    for c in range(1, CLASSES):
        assert_near(of_class[c][1], of_class[0][1], 1e-12)
        assert_near(of_class[c][2], of_class[0][2], 1e-12)
        assert not torch.allclose(of_class[c][0], of_class[0][0])


@pytest.mark.parametrize("function", [softmax_derivatives, softmax_shape, log_softmax_derivatives])
def test_a_single_class_has_no_derivative(function):
    slopes = torch.randn(1, 2, 3, 4, dtype=torch.float64)
    for derivative in function(slopes, torch.ones(2, 1, dtype=torch.float64), torch.tensor([0, 0])):
        assert torch.equal(derivative.abs(), torch.zeros(2, 3, 4, dtype=torch.float64))
