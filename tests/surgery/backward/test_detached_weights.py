"""Weights aside: what is kept for the way back, on which stretch, and how a model's own modes are
left.
"""

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.nets import Notes, assert_same, batch, convnet, photograph
from sightline.surgery import capture
from sightline.surgery.backward.detached_weights import DetachFrom


def modes():
    return torch._C._len_torch_function_stack()


def kept(trace):
    """The weights that the graph reaches."""
    seen, stack = set(), [trace.outputs.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(following for following, _ in node.next_functions)
    ends = [node.variable for node in seen if "AccumulateGrad" in node.name()]
    return [end for end in ends if isinstance(end, nn.Parameter)]


def test_the_graph_behind_the_cut_does_not_reach_the_weights():
    net = convnet(head="fc")
    before = photograph(net)
    assert kept(capture(net, batch(), "3")) == []
    assert (
        kept(capture(net, batch(), "3", differentiable=True)) != []
    )  # a loss on the map trains the model
    assert_same(before, photograph(net))


def test_weights_are_put_aside_from_the_call_on_and_back_at_the_end():
    linear, x = nn.Linear(3, 2), torch.ones(1, 3)
    with DetachFrom() as begin:
        assert linear(x).requires_grad
        begin()
        begin()  # a second layer is opened
        assert modes() == 1
        assert not linear(x).requires_grad
    assert modes() == 0
    assert linear(x).requires_grad


class Mode(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Inside(nn.Module):
    """Enters a mode of its own before the layer and leaves it behind: then ours would be left in
    its place.
    """

    def __init__(self, failing=False):
        super().__init__()
        self.net, self.failing, self.seen = convnet(), failing, Notes()

    def forward(self, x):
        with torch.device("cpu"):
            x = self.net[:6](x)
            self.seen.append(modes())
        self.seen.append(modes())
        if self.failing:
            raise ValueError("half-way")
        return self.net[6:](x)


def test_a_mode_of_the_models_own_around_the_layer_is_left_as_it_was():
    net, x = Inside(), batch()
    trace = capture(net, x, "net.5")
    assert net.seen == [1, 0]
    assert modes() == 0
    want = capture(convnet(), x, "5").gradients(lambda out: out[:, 0])[0]
    assert torch.equal(trace.gradients(lambda out: out[:, 0])[0], want)


def test_a_mode_of_the_callers_stays():
    with Mode():
        capture(convnet(), batch(), "5")
        assert modes() == 1
    assert modes() == 0


def test_no_mode_is_left_behind_after_an_error():
    net = nn.Sequential(*convnet()[:6], nn.Flatten(), nn.Linear(7, 2))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        capture(net, batch(), "5")
    assert modes() == 0


class Counting(nn.Module):
    """Counts its runs in a parameter that is frozen, as some do: what it gives back must be the
    parameter itself.
    """

    def __init__(self):
        super().__init__()
        self.net, self.runs = convnet(), nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, x):
        x = self.net(x)
        self.runs += 1
        return x


def test_a_frozen_parameter_written_over_behind_the_layer_stays_a_parameter():
    net = Counting()
    assert capture(net, batch(), "net.5").outputs.requires_grad
    assert type(net.runs) is nn.Parameter
