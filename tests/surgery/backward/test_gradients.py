"""The call to autograd: what it returns, and which strategy it takes and falls back from."""

import logging

import pytest
import torch
from torch import nn

from helpers.backward import random
from sightline.surgery.backward import gradients as backward
from sightline.surgery.backward import sparse
from sightline.surgery.backward.gradients import gradients


@pytest.fixture
def log(caplog):
    """What is said at debug."""
    caplog.set_level(logging.DEBUG, logger="sightline")
    return caplog


def seeds_of(n, images=2, width=5):
    return torch.eye(width).double()[:n, None].expand(n, images, width)


def one_by_one(scores, x, seeds):
    return torch.stack(
        [torch.autograd.grad(scores, x, seed, retain_graph=True)[0] for seed in seeds]
    )


def linear(tokens):
    """Scores `[2, 5]` of few or many tokens."""
    torch.manual_seed(0)
    x = random(2, tokens, 6).requires_grad_()
    return x, nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 5)).double()(x)[:, 0]


def test_a_score_is_twice_its_square():
    x = torch.tensor([[1.0, -3.0]], requires_grad=True)
    (found,) = gradients((x**2).sum(1), [x])
    assert torch.equal(found, torch.tensor([[2.0, -6.0]]))
    (several,) = gradients(torch.stack([(x**2).sum(1), x.sum(1)]), [x])
    assert torch.equal(several, torch.tensor([[[2.0, -6.0]], [[1.0, 1.0]]]))


def test_what_does_not_depend_on_a_node_is_none():
    x, other = torch.ones(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    assert gradients(x.sum(1), [other]) == [None]
    assert gradients(x.sum(1).detach(), [x, other]) == [None, None]


def test_halves_come_back_in_single_precision_and_do_not_vanish():
    x = torch.ones(1, 2, dtype=torch.float16, requires_grad=True)
    scores = (x * 1e-4 * 1e-3).sum(1)  # 1e-7: 0 in steps of half precision, but for the factor
    (found,) = gradients(scores, [x])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((1, 2), 1e-7), rtol=0.01, atol=0)


def test_nothing_is_said_where_nothing_is_given_up(log):
    for tokens in (3, 100):
        x, scores = linear(tokens)
        gradients(scores, [x], seeds=seeds_of(3), unhooked=True)
    assert not log.records


def fails(kind):
    def failing(*args, **kwargs):
        raise kind("a mistake of ours")

    return failing


FAST = {
    "sparse": (sparse, "nonzero_rows", "back through torch's own operators"),
    "batched": (backward, "pack", "back from one score after another"),
}
"""A part of each fast strategy, and what the log says where it is given up."""


@pytest.mark.parametrize("fast", FAST)
def test_a_mistake_in_a_fast_strategy_is_an_error_when_strict(fast, monkeypatch):
    module, part, _ = FAST[fast]
    x, scores = linear(tokens=100)
    monkeypatch.setattr(module, part, fails(TypeError))
    with pytest.raises(TypeError, match="a mistake of ours"):
        gradients(scores, [x], seeds=seeds_of(3), unhooked=fast == "batched")


@pytest.mark.usefixtures("as_for_users")
@pytest.mark.parametrize("fast", FAST)
def test_users_get_the_numbers_and_the_log_the_reason(fast, monkeypatch, log):
    module, part, words = FAST[fast]
    x, scores = linear(tokens=100)
    want = one_by_one(scores, x, seeds_of(3))
    monkeypatch.setattr(module, part, fails(TypeError))
    (got,) = gradients(scores, [x], seeds=seeds_of(3), unhooked=fast == "batched")
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-14)
    assert f"{words}: TypeError: a mistake of ours" in log.messages
    assert all(record.levelno == logging.DEBUG for record in log.records)


class NotVectorised(torch.autograd.Function):
    """Torch cannot vectorise this."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * (2 if float(grad.sum()) >= 0 else 2.0)


def test_an_operator_that_torch_cannot_vectorise_was_foreseen(log):
    x = random(2, 6).requires_grad_()
    scores = nn.Linear(6, 5).double()(NotVectorised.apply(x))
    (got,) = gradients(scores, [x], seeds=seeds_of(3))
    torch.testing.assert_close(got, one_by_one(scores, x, seeds_of(3)), rtol=1e-12, atol=1e-14)
    (said,) = log.messages
    assert said.startswith(
        "back from the scores without vectorising: Batching rule not implemented"
    )


def test_a_hook_that_writes_where_memory_is_shared_was_foreseen(log):
    x = random(2, 3, 4, 4).requires_grad_()
    maps = x * 1
    maps.register_hook(lambda gradient: gradient.clamp_(-0.01, 0.01))
    scores = nn.Linear(3, 5).double()(maps.mean((2, 3)))[:, 1]
    (got,) = gradients(scores, [x])
    (want,) = torch.autograd.grad(scores.sum(), x, retain_graph=True)
    assert torch.equal(got, want)
    (said,) = log.messages
    assert said.startswith("back through torch's own operators: aten.clamp_")
    assert said.endswith("writes where positions share their memory")


def test_several_scores_that_part_ways_were_foreseen(log, monkeypatch):
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.shape = x.shape
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return torch.ones(ctx.shape)

    monkeypatch.setattr(backward, "has_python_functions", lambda scores: False)
    x = torch.randn(2, 100, 6, requires_grad=True)
    scores = nn.Linear(6, 5)(nn.Linear(6, 6)(Stop.apply(x.clone())))[:, 0]
    (got,) = gradients(scores, [x], seeds=seeds_of(3).float(), unhooked=True)
    assert torch.equal(got, torch.ones(3, 2, 100, 6))
    (said,) = log.messages
    assert said.startswith("back from one score after another: a gradient of no single score")


def test_the_users_own_error_is_the_users_own():
    """A hook that fails fails in every strategy."""
    x = random(2, 100, 6).requires_grad_()
    inner = x * 1
    inner.register_hook(fails(KeyError))
    scores = nn.Linear(6, 5).double()(inner)[:, 0]
    with pytest.raises(KeyError, match="a mistake of ours"):
        gradients(scores, [x], seeds=seeds_of(3))


def test_batched_scores_are_one_pass(monkeypatch):
    passes = []
    inner = torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *a, **k: passes.append(1) or inner(*a, **k))
    x, scores = linear(100)
    gradients(scores, [x], seeds=seeds_of(4), unhooked=True)
    assert len(passes) == 1
