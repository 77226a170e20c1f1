"""What is recognised is recognised only for as long as nothing in it was exchanged."""

import functools
import types

import pytest
import torch
from torch import nn

from sightline.surgery.memory import recognised
from sightline.surgery.memory.fingerprint import made_and_hooked
from sightline.surgery.memory.recognised import library_class, plain_modules


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Dropout(0.5))


@pytest.mark.parametrize(
    ("at", "name", "value"),
    [(0, "stride", (1, 1)), (2, "p", 0.25), (1, "inplace", 0), (0, "transposed", None)],
)
def test_a_setting_that_is_exchanged_is_seen_and_one_put_back_is_the_old(at, name, value):
    net = small()
    before = made_and_hooked(net)
    assert id(net[at]) in plain_modules
    old = getattr(net[at], name)
    setattr(net[at], name, value)
    assert made_and_hooked(net) != before
    setattr(net[at], name, old)
    assert made_and_hooked(net) == before


def test_a_name_that_takes_the_place_of_another_is_seen():
    net = small()
    before = made_and_hooked(net)
    del net[2].p
    net[2].q = 0.5
    assert made_and_hooked(net) != before


def test_a_module_that_is_gone_is_no_longer_known():
    net = small()
    made_and_hooked(net)
    key = id(net[2])
    assert key in plain_modules
    net[2] = nn.Identity()
    assert key not in plain_modules or plain_modules[key].module() is not None


def test_what_is_put_into_a_class_of_a_library_is_seen(monkeypatch):
    net = small()
    before, known = made_and_hooked(net), library_class(nn.ReLU)
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: x.flip(-1))
    assert library_class(nn.ReLU) is not known
    assert made_and_hooked(net) != before
    monkeypatch.undo()
    assert made_and_hooked(net) == before


def test_a_class_that_was_made_while_the_program_runs_is_not_kept():
    made = types.new_class("Made", (nn.ReLU,))
    made.__module__ = "torch.nn.modules.activation"
    assert library_class(made).functions == {"functions": []}
    assert made not in recognised._classes


def test_a_function_that_torch_wraps_while_it_runs_is_the_one_it_was(monkeypatch):
    class Seeded(nn.Module):
        def forward(self, x):
            torch.manual_seed(0)
            return torch.relu(x)

    net = Seeded()
    before = made_and_hooked(net)
    by_torch = torch._disable_dynamo(torch.manual_seed)
    assert by_torch is not torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", by_torch)
    assert made_and_hooked(net) == before

    @functools.wraps(by_torch)
    def of_ones_own(seed):
        return by_torch(seed)

    monkeypatch.setattr(torch, "manual_seed", of_ones_own)
    assert made_and_hooked(net) != before
