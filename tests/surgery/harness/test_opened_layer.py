"""A layer opened for one run: at which of its runs, and what is said if it did not run so often."""

import pytest
import torch
from torch import nn

from helpers.backward import both
from helpers.nets import Twice, batch, convnet
from sightline.errors import SurgeryError
from sightline.surgery import capture


def test_a_module_that_runs_twice_is_taken_at_its_last_run_or_at_call():
    net, x = Twice().eval(), batch()
    first = net.act(net.conv(x)).detach()
    second = net.act(net.conv(first)).detach()
    last = capture(net, x, "act")
    assert torch.equal(last.activations, second)
    assert (last.cuts[0].calls, last.cuts[0].call) == (2, 1)
    early, gradient = both(net, x, "act", call=0)
    assert torch.equal(early, first)
    leaf = first.clone().requires_grad_()
    (byhand,) = torch.autograd.grad(net.fc(net.act(net.conv(leaf)).mean((2, 3)))[:, 1].sum(), leaf)
    assert torch.equal(gradient, byhand)
    with pytest.raises(SurgeryError, match="at least 4 times; it ran 2 times"):
        capture(net, x, "act", call=3)


def test_a_layer_that_does_not_run_is_an_error():
    net = convnet()
    net.add_module("spare", nn.Identity())
    net.forward = lambda x: nn.Sequential(*list(net)[:-1])(x)
    with pytest.raises(SurgeryError, match="it did not run"):
        capture(net, batch(), "spare")
