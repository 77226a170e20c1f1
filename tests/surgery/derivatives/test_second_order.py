"""The gradient, and the Hessian times the activations, against autograd's own function."""

import logging

import pytest
import torch
from torch import nn

from helpers import curved_tails
from helpers.tapes import ASKED
from sightline.errors import SurgeryError
from sightline.surgery import capture
from sightline.surgery.derivatives.second_order import expansion


def again_of(net, x):
    def again():
        trace = capture(net, x, "0")
        return trace, trace.outputs[:, list(ASKED)].T

    return again


def expanded(net, x):
    again = again_of(net, x)
    return expansion(again, again()[1])


@pytest.mark.parametrize("name", curved_tails.TAILS)
def test_the_hessian_times_the_activations(name):
    net, x = curved_tails.made(name)
    gradient, second = expanded(net, x)
    for n, k in enumerate(ASKED):
        with curved_tails.brute():
            score = lambda a, k=k: net(a.clone())[:, k].sum()  # noqa: E731
            leaf = x.clone().requires_grad_()
            (want,) = torch.autograd.grad(score(leaf), leaf)
            hessian = torch.autograd.functional.hvp(score, x, x)[1]
        torch.testing.assert_close(gradient[n], want, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(second[n], hessian, rtol=1e-8, atol=1e-10)


def test_where_the_scores_do_not_depend_on_the_layer_both_are_zero():
    class Deaf(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 3, requires_grad=True) * 2

    gradient, second = expanded(nn.Sequential(nn.Identity(), Deaf()), torch.randn(2, 3, 4, 5))
    assert gradient.shape == second.shape == (2, 2, 3, 4, 5)
    assert not gradient.any()
    assert not second.any()


class Writes(nn.Module):
    """Writes into a part of a tensor: no tape, but autograd follows it."""

    def forward(self, x):
        out = x.tanh().clone()
        out[:, 0] *= 2.0
        return out.flatten(2).mean(2) ** 2


def test_without_a_tape_autograds_graph_is_taken_and_the_log_says_why(caplog):
    caplog.set_level(logging.DEBUG, logger="sightline")
    net, x = nn.Sequential(nn.Identity(), Writes()), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    _, second = expanded(net, x)
    hessian = torch.autograd.functional.hvp(lambda a: net(a.clone())[:, 0].sum(), x, x)[1]
    torch.testing.assert_close(second[0], hessian, rtol=1e-9, atol=1e-11)
    (said,) = caplog.messages
    assert said.startswith("second derivatives through autograd's graph: ")


def fails(*_):
    raise RuntimeError("a mistake of ours")


def test_a_mistake_of_ours_is_an_error_when_strict(monkeypatch):
    monkeypatch.setattr("sightline.surgery.derivatives.second_order.last_nonlinear", fails)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        expanded(*curved_tails.made("silu"))


@pytest.mark.usefixtures("as_for_users")
def test_users_get_the_numbers(monkeypatch):
    net, x = curved_tails.made("silu")
    want = expanded(net, x)
    monkeypatch.setattr("sightline.surgery.derivatives.second_order.last_nonlinear", fails)
    for one, other in zip(expanded(net, x), want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_a_model_that_does_not_repeat_itself_is_refused():
    net, x = curved_tails.made("silu")
    again = again_of(net, x)
    with pytest.raises(SurgeryError, match="the same scores when it runs again"):
        expansion(again, again()[1] + 1)
