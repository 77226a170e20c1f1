"""Higher derivatives for one explanation: against autograd, behind both kinds of head."""

import pytest
import torch

from helpers.closeness import assert_near
from helpers.jobs import reruns_of
from helpers.nets import batch, convnet
from sightline.errors import MethodError
from sightline.explanation.passes.higher_order import HigherOrder, log_probabilities, rest


def higher(net, x, target, sign=1.0):
    reruns = reruns_of(net, x, target, "5", counterfactual=sign == -1)
    gradients = lambda cut: reruns.trace.gradients(reruns.question.scores)[cut]  # noqa: E731
    return HigherOrder(reruns.question, sign, lambda: reruns, gradients), reruns


def test_log_probabilities_are_the_log_softmax():
    rows = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    indices = torch.tensor([[0, 4], [1, 1], [2, 3]])
    want = rows.log_softmax(1).gather(1, indices).T
    assert_near(log_probabilities(rows, indices), want, 1e-12)
    assert_near(rest(rows, indices), rows.gather(1, indices).T + want, 1e-12)
    sure = torch.tensor([[1000.0, 0.0]])
    assert log_probabilities(sure, torch.tensor([[0]])).tolist() == [[0.0]]
    assert log_probabilities(sure, torch.tensor([[1]])).tolist() == [[-1000.0]]


@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("utility", ["logit", "rest"])
def test_a_utility_s_gradient_and_its_hessian_times_the_activations(utility, head):
    net, x, classes = convnet(head=head).double(), batch().double(), [1, 3]
    found = higher(net, x, classes)[0].second_order(0, utility)
    activations = net[:6](x).detach().requires_grad_()
    rows = net[6:](activations)
    for j, k in enumerate(classes):
        score = rows[:, k] + (rows.log_softmax(1)[:, k] if utility == "rest" else 0)
        (first,) = torch.autograd.grad(score.sum(), activations, create_graph=True)
        assert_near(found[0][j], first.detach(), 1e-8)
        if utility == "logit":  # the network behind the layer is piecewise linear
            assert found[1][j].abs().max() <= 1e-12
            continue
        (product,) = torch.autograd.grad(
            first, activations, activations.detach(), retain_graph=True
        )
        assert_near(found[1][j], product, 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_speaks_against_a_class_negates_the_odd_derivatives(sign):
    net, x = convnet(head="fc"), batch()
    made, reruns = higher(net, x, [1, 3], sign)
    plain, _ = higher(net, x, [1, 3])
    rows = reruns.question.rows
    first, second, third = made.of_log_probabilities(0, slice(0, 1), rows)
    want = plain.of_log_probabilities(0, slice(0, 1), rows)
    assert first.shape == (3, 8, 12, 10)
    for one, other, times in zip((first, second, third), want, (sign, 1.0, sign), strict=True):
        assert torch.equal(one, times * other)
    assert made.strategy(0, ["log_probability_derivatives"]) is not None
    assert made.strategy(0, ["gradients"]) is None


def test_the_rest_needs_several_classes():
    with pytest.raises(MethodError, match="utility='rest'; the target is a single logit"):
        higher(convnet(classes=1), batch(), 1)[0].second_order(0, "rest")
    score = lambda outputs: outputs[:, 0]  # noqa: E731
    with pytest.raises(MethodError, match="the target is a function of the outputs"):
        higher(convnet(), batch(), score)[0].second_order(0, "rest")
