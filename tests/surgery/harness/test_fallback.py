"""A foreseen reason is a line in the log; any other is an error under `SIGHTLINE_STRICT=1`."""

import logging

import pytest
import torch

from sightline.surgery.harness.fallback import Foreseen, NoRule, no_rule_foreseen, reason


class CannotReplay(Foreseen):
    pass


@pytest.mark.parametrize("kind", [Foreseen, NoRule, CannotReplay])
def test_a_foreseen_reason_is_its_own_words_also_when_strict(kind):
    assert reason(kind("the module forgets\nand more")) == "the module forgets"


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, IndexError])
def test_an_unforeseen_one_is_raised_when_strict(kind):
    error = kind("a mistake of ours")
    with pytest.raises(kind, match="a mistake of ours") as caught:
        reason(error)
    assert caught.value is error


@pytest.mark.parametrize("value", [None, "0", ""])
def test_to_users_it_is_a_reason_like_others(value, monkeypatch):
    monkeypatch.delenv("SIGHTLINE_STRICT")
    if value is not None:
        monkeypatch.setenv("SIGHTLINE_STRICT", value)
    assert reason(TypeError("a mistake of ours\nand more")) == "TypeError: a mistake of ours"


def test_memory_that_does_not_suffice_is_foreseen():
    assert reason(torch.OutOfMemoryError("no more")) == "OutOfMemoryError: no more"


@pytest.mark.parametrize(
    "words",
    [
        "derivative for aten::_fused is not implemented",
        "Trying to use forward AD with sort that does not support it; it has not been implemented",
        "You tried to vmap over Own, but it does not have vmap support. Please override",
        "Batching rule not implemented for aten::own",
        "vmap: It looks like you're calling .item() on a Tensor",
    ],
)  # fmt: skip
def test_an_operator_without_a_rule_is_foreseen(words):
    with pytest.raises(NoRule, match=words[:20]), no_rule_foreseen():
        raise RuntimeError(words)


def test_what_torch_says_itself_is_understood():
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    with pytest.raises(NoRule, match="vmap"), no_rule_foreseen():
        torch.func.vmap(Own.apply)(torch.ones(3))
    q = torch.rand(1, 1, 4, 2, requires_grad=True)
    out = torch.nn.functional.scaled_dot_product_attention(q, q, q)
    (slope,) = torch.autograd.grad(out.sum(), q, create_graph=True)
    with pytest.raises(NoRule, match=r"derivative for .* is not implemented"), no_rule_foreseen():
        torch.autograd.grad(slope.sum(), q)


def test_everything_else_stays_what_it_is():
    with pytest.raises(RuntimeError, match="size of tensor") as caught, no_rule_foreseen():
        torch.ones(2) + torch.ones(3)
    assert not isinstance(caught.value, Foreseen)
    with pytest.raises(ValueError, match="is not implemented"), no_rule_foreseen():
        raise ValueError("is not implemented")


def test_the_log_says_nothing_unless_asked(caplog):
    """Debug records only: whoever does not listen hears nothing."""
    logger = logging.getLogger("sightline.surgery.test")
    with caplog.at_level(logging.INFO, logger="sightline"):
        logger.debug("replaying the whole model: %s", reason(NoRule("no rule")))
    assert not caplog.records
