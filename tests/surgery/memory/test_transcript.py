"""What a model is made of, read to the letter: what counts, what does not, what cannot be read."""

import dataclasses
import enum
import functools
import logging
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import convnet
from helpers.own_nets import CHANGES, Own
from sightline.surgery.memory.transcript import Transcript, UnreadableError


def read(*values):
    transcript = Transcript()
    for value in values:
        transcript.read(value)
    return transcript.digest


LEFT_TO_ASKED = {"a global hook", "a global hook before"}
"""Hooks of all modules are read with the question, not with the model."""


@pytest.mark.parametrize("change", [one for one in CHANGES if one not in LEFT_TO_ASKED])
def test_what_may_move_places(change, monkeypatch):
    before = read(Own())
    assert read(Own()) == before
    with monkeypatch.context() as patch:
        net = Own()
        CHANGES[change](net, patch)
        after = read(net)
        assert after != before
        assert read(net) == after
    assert read(Own()) == before


def exchanged(net):
    net[3] = nn.Conv2d(6, 8, 3, padding=1)
    net[3].padding = (0, 0)


def of_another_kind(net):
    net[2] = nn.Tanh()


def of_another_width(net):
    net[3] = nn.Conv2d(6, 9, 3, padding=1)


def of_another_name(net):
    net.add_module("other", net[-1])


def own_forward(net):
    net[0].forward = lambda x: x.flip(-1)


def hooked(net):
    net[0].register_forward_hook(lambda *_: None)


def hooked_before(net):
    net[0].register_forward_pre_hook(lambda *_: None)


def in_half(net):
    net.half()


@pytest.mark.parametrize(
    "change",
    [
        exchanged, of_another_kind, of_another_width, of_another_name, own_forward, hooked,
        hooked_before, in_half,
    ],
)  # fmt: skip
def test_what_a_network_is_put_together_from(change):
    net = convnet()
    before = read(net)
    change(net)
    assert read(net) != before


def trained(net):
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(1)


def made_ready(net):
    net.eval().requires_grad_(False)


def run(net):
    net(torch.rand(2, 3, 16, 16))


@pytest.mark.parametrize("change", [trained, made_ready, run])
def test_what_moves_none(change):
    net = nn.Sequential(convnet(), nn.BatchNorm1d(convnet()(torch.rand(1, 3, 16, 16)).shape[1]))
    before = read(net)
    change(net)
    assert read(net) == before


def test_the_order_of_a_set_is_none():
    words = [f"word {k}" for k in range(50)]
    assert read(set(words)) == read({*words[25:], *words[:25]})
    assert read(frozenset(words)) != read(frozenset(words[:-1]))


def test_what_refers_to_itself():
    one, other = [1], [1]
    one.append(one)
    other.append(1)
    assert read(one) != read(other)
    ring = SimpleNamespace(net=None)
    net = convnet()
    ring.net, net.ring = net, ring
    assert read(net) == read(net)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


@dataclasses.dataclass
class Point:
    x: int = 0


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), ("1", 1), (b"a", "a"), ((1, 2), [1, 2]), ((1, (2,)), (1, 2)),
        ({"a": 1}, {"a": 2}), (Colour.RED, Colour.GREEN), (Point(1), Point(2)),
        (Slotted(1), Slotted(2)), (np.arange(3), np.arange(3.0)), (np.float32(1), np.float32(2)),
        (torch.float32, torch.float16), (torch.arange(3), torch.arange(1, 4)),
        (torch.zeros(2), torch.ones(2)), (torch.relu, torch.tanh), (F.relu, F.gelu),
        (functools.partial(F.relu, inplace=True), functools.partial(F.relu)),
        (Slotted, Point), (nn.ReLU, nn.Tanh), (None, 0), (range(3), range(4)),
        (SimpleNamespace(a=1), SimpleNamespace(b=1)), (Point(1).__eq__, Point(2).__eq__),
        ([[], []], [[]]), (slice(1), slice(2)), (len, max),
    ],
)  # fmt: skip
def test_values_that_differ(one, other):
    assert read(one) == read(one)
    assert read(one) != read(other)


def test_what_is_of_no_consequence():
    assert read(logging.getLogger("a")) == read(logging.getLogger("b"))
    assert read(threading.Lock()) == read(threading.Lock())


@pytest.mark.parametrize(
    "value",
    [
        (k for k in range(3)), object(), torch.Generator(), iter([1]), memoryview(b"a"),
        np.array([object()]), torch.ones(2, device="meta"), torch.eye(2).to_sparse(),
        SimpleNamespace(deep=[{"a": object()}]), functools.partial(print, object()),
        lambda x: importing(x),
    ],
)  # fmt: skip
def test_what_cannot_be_read(value):
    with pytest.raises(UnreadableError):
        read(value)


def importing(x):
    from a_module_that_nobody_has import something

    return something(x)


def test_a_network_that_holds_what_cannot_be_read():
    net = convnet()
    net[0].held = object()
    with pytest.raises(UnreadableError):
        read(net)


def test_very_much_is_too_much():
    with pytest.raises(UnreadableError):
        read(list(range(500_000)))
