"""What a model is made of: every module once, and a fingerprint that changes with them."""

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.surgery import look
from sightline.surgery.harness.supported import fingerprint, modules_of


class Shares(nn.Module):
    """The same module under two names, a name without a module, and a nest."""

    def __init__(self):
        super().__init__()
        self.first, self.none = nn.Linear(2, 2), None
        self.register_module("empty", None)
        self.nest = nn.Sequential(self.first, nn.Sequential(nn.ReLU(), nn.Tanh()))


@pytest.mark.parametrize("make", [Shares, convnet, nn.ReLU])
def test_it_finds_what_modules_finds(make):
    model = make()
    found = modules_of(model)
    assert found[0] is model
    assert len(found) == len(set(found))
    assert set(found) == set(model.modules())


CHANGES = {
    "a weighted one exchanged for its equal": lambda net: net.__setitem__(3, nn.Conv2d(6, 8, 3)),
    "one of another kind": lambda net: net.__setitem__(2, nn.Tanh()),
    "one added": lambda net: net.append(nn.Identity()),
    "one taken away": lambda net: net.__delitem__(-1),
    "one nested deeper": lambda net: net.__setitem__(2, nn.Sequential(nn.ReLU())),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_module_exchanged_in_place_changes_the_fingerprint(change):
    net = convnet()
    before = fingerprint(net)
    change(net)
    assert fingerprint(net) != before


def test_what_is_no_exchange_leaves_it_as_it_was():
    net = convnet()
    before = fingerprint(net)
    look(net, batch())
    net.train().half().float()
    with torch.no_grad():
        net[0].weight.zero_()
    net[2] = nn.ReLU()
    assert fingerprint(net) == before
