"""The walk of the graph, and what it is asked."""

import torch
from torch import nn

from sightline.surgery.backward.graph import (
    has_many_rows,
    has_python_functions,
    is_short_and_torchs_own,
    nodes,
)


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad * 2


def names(scores):
    return sorted(node.name() for node in nodes(scores))


def test_a_node_that_is_reached_twice_comes_once():
    x = torch.ones(2, requires_grad=True)
    twice = x.exp()
    assert names((twice * twice + twice).sum()) == [
        "AddBackward0",
        "ExpBackward0",
        "MulBackward0",
        "SumBackward0",
        "torch::autograd::AccumulateGrad",
    ]


def test_without_a_graph_there_is_nothing():
    assert list(nodes(torch.ones(2))) == []


def test_functions_in_python_are_seen_also_those_of_module_hooks():
    net, x = nn.Linear(3, 2), torch.ones(1, 3, requires_grad=True)
    assert not has_python_functions(net(x))
    assert has_python_functions(Own.apply(net(x)))
    net.register_full_backward_hook(lambda module, into, out: None)
    assert has_python_functions(net(x))


def test_many_rows_are_those_of_products():
    few, many = torch.ones(32, 3, requires_grad=True), torch.ones(33, 3, requires_grad=True)
    for net in (nn.Linear(3, 2), nn.Linear(3, 2, bias=False)):
        assert not has_many_rows(net(few))
        assert has_many_rows(net(many))
    assert not has_many_rows(many.exp())


def test_only_few_operators_of_torchs_own_are_short():
    x = torch.ones(2, requires_grad=True)
    assert is_short_and_torchs_own((x * x).sum())
    assert not is_short_and_torchs_own(Own.apply(x).sum())
    for _ in range(30):
        x = x + 1
    assert not is_short_and_torchs_own(x.sum())
