"""Parts of a model that are computed again on the way back."""

import logging

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from sightline.errors import SurgeryError
from sightline.surgery.harness.checkpoints import reentrant_refused, unless_checkpointed


def test_the_lean_way_is_gone_where_nothing_is_checkpointed():
    assert unless_checkpointed(lambda: "lean", lambda: "plain") == "lean"


def test_a_checkpoint_takes_the_plain_way():
    net, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    ways = []

    def run(way):
        ways.append(way)
        return checkpoint(net, x, use_reentrant=False)

    outputs = unless_checkpointed(lambda: run("lean"), lambda: run("plain"))
    assert ways == ["lean", "plain"]
    assert torch.equal(outputs, net(x))


def test_any_other_error_is_the_models_own():
    def broken():
        raise RuntimeError("broken forward")

    with pytest.raises(RuntimeError, match="broken forward"):
        unless_checkpointed(broken, lambda: "plain")


def test_hooks_on_saved_tensors_that_the_caller_set_take_the_plain_way():
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        assert unless_checkpointed(lambda: "lean", lambda: "plain") == "plain"


def test_a_reentrant_checkpoint_is_refused_with_the_way_out():
    net, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    outputs = checkpoint(net, x, use_reentrant=True)
    told = r"Linear calls .* Pass use_reentrant=False there"
    with pytest.raises(SurgeryError, match=told), reentrant_refused(net):
        torch.autograd.grad(outputs.sum(), x)
    with pytest.raises(RuntimeError, match="something else"), reentrant_refused(net):
        raise RuntimeError("something else")


def test_the_log_says_that_it_runs_again(caplog):
    caplog.set_level(logging.DEBUG, logger="sightline")
    net, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    unless_checkpointed(lambda: net(x), lambda: "plain")
    assert not caplog.messages
    unless_checkpointed(lambda: checkpoint(net, x, use_reentrant=False), lambda: "plain")
    (said,) = caplog.messages
    assert said.startswith("running again as the model is: saved tensors are hooked")
