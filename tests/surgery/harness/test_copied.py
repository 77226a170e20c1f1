"""A copy of a model, also of one that `copy.deepcopy` cannot copy."""

import logging
import threading

import numpy as np
import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery.harness.copied import copied


class Forbids(nn.Sequential):
    def __deepcopy__(self, memo):
        raise TypeError("no copies")


def with_a_lock(net):
    net[0].lock = threading.Lock()


def with_a_module_of_python(net):
    net.numpy = np


def with_a_generator(net):
    net.numbers = (number for number in range(3))


def with_features_and_their_graph(net):
    net[0].features = net[0](batch())
    net[0].log = [net[0].features]


def with_old_weight_norm(net):
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(net[3])


def with_a_hook_that_holds_a_lock(net):
    lock = threading.Lock()
    net[2].register_forward_hook(type("Hook", (), {"lock": lock, "__call__": lambda *_: None})())
    net[2].guard = lock


def forbidding(net):
    net[2] = Forbids(net[2])


HOLDS = [
    with_a_lock,
    with_a_module_of_python,
    with_a_generator,
    with_features_and_their_graph,
    with_old_weight_norm,
    with_a_hook_that_holds_a_lock,
    forbidding,
]


@pytest.mark.parametrize("holds", [None, *HOLDS], ids=lambda holds: getattr(holds, "__name__", ""))
@pytest.mark.parametrize("shared", [False, True])
def test_it_computes_the_same_and_the_model_stays(holds, shared):
    net, images = convnet(head="fc"), batch()
    if holds is not None:
        holds(net)
    before, wanted = photograph(net), net(images)
    own = (lambda one: nn.Parameter(one.detach(), one.requires_grad)) if shared else None
    twin = copied(net, own)
    assert torch.equal(twin(images), wanted)
    pairs = list(zip(twin.modules(), net.modules(), strict=True))
    assert all(type(a) is type(b) and a is not b for a, b in pairs)
    for a, b in zip(twin.parameters(), net.parameters(), strict=True):
        assert (a is b, a.data_ptr() == b.data_ptr()) == (False, shared)
    assert all(a is not b for a, b in zip(twin.buffers(), net.buffers(), strict=True))
    twin.half().requires_grad_(False)
    for module in twin.modules():
        module.added = 1
        module.register_forward_hook(print)
    assert_same(before, photograph(net))


def test_what_is_held_twice_is_held_twice():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net.lock, net.parts, net.names = threading.Lock(), [net[0]], {"first": net[0]}
    net.run, net.again = net[0].forward, net.parts
    twin = copied(net)
    assert twin[1].weight is twin[0].weight is not net[0].weight
    assert twin.parts[0] is twin.names["first"] is twin.run.__self__ is twin[0]
    assert twin.again is twin.parts is not net.parts


def test_the_log_says_what_both_hold(caplog):
    caplog.set_level(logging.DEBUG, logger="sightline")
    net = nn.Sequential(nn.ReLU())
    net.table = {"lock": threading.Lock(), "log": []}
    twin = copied(net)
    assert twin.table["lock"] is net.table["lock"]
    assert twin.table["log"] is not net.table["log"]
    assert [said for said in caplog.messages if "share" in said] == [
        "the copy and the model share Sequential.table['lock']: cannot pickle '_thread.lock' object"
    ]
