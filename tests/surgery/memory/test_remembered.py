"""What was found out of a model once is kept for as long as the model stays what it was."""

import gc
import weakref

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.surgery.harness.given import Given
from sightline.surgery.memory import remembered as memory
from sightline.surgery.memory.remembered import remembered


def asking(net, found, inputs=None, about="a"):
    given = Given.of(net, batch() if inputs is None else inputs)
    return remembered(given, about, lambda: found.append(1) or len(found))


def test_once_for_a_model_a_question_and_a_shape():
    net, other, found = convnet(), convnet(), []

    def ask(model, x, about):
        return asking(model, found, x, about)

    assert [ask(net, batch(), "a"), ask(net, batch(b=1, seed=3), "a")] == [1, 1]
    assert [ask(net, batch(), "b"), ask(other, batch(), "a")] == [2, 3]
    assert ask(net, batch()[:, :, :8, :8], "a") == 4
    assert ask(net.double(), batch().double(), "a") == 5
    assert ask(net, batch().double(), "b") == 6
    assert [ask(other, batch(), "a"), ask(net, batch().double(), "b")] == [3, 6]


def test_until_the_model_is_another():
    net, found = convnet(), []
    assert asking(net, found) == 1
    with torch.no_grad():
        net[0].weight.mul_(2)  # weights move no place
    assert asking(net, found) == 1
    net[1].forward = lambda x: x.flip(-1)
    assert [asking(net, found), asking(net, found)] == [2, 2]
    handle = net[0].register_forward_hook(lambda *_: None)
    assert asking(net, found) == 3
    handle.remove()
    net[1] = nn.Tanh()
    assert asking(net, found) == 4
    net[1].mirror = True
    assert [asking(net, found), asking(net, found)] == [5, 5]


class Counting(nn.Module):
    """Counts its runs, as people's modules do, and may be told something."""

    def __init__(self):
        super().__init__()
        self.runs, self.mirror, self.built = 0, False, False

    def forward(self, x):
        self.runs += 1
        self.built = True
        return x.flip(3) if self.mirror else x


def test_what_a_run_writes_is_known_by_the_second_search():
    net, found = Counting(), []

    def ask():
        given = Given.of(net, batch())
        return remembered(given, "a", lambda: given.run() is None or found.append(1) or len(found))

    assert ask() == 1
    net(batch())
    assert ask() == 2  # a number changed: who knows what it is for
    net(batch())
    assert ask() == 2
    net.mirror = True
    assert ask() == 3
    net.built = False  # written once, and then never again: it may mean something
    assert ask() == 4


def test_a_fresh_function_that_does_the_same_is_the_same():
    net, found = convnet(), []

    def reading(axis):
        return lambda out: out.flip(axis)

    assert [asking(net, found, about=("l", reading(2))) for _ in range(3)] == [1, 1, 1]
    assert [asking(net, found, about=("l", reading(3))) for _ in range(3)] == [2, 2, 2]
    assert asking(net, found, about=("l", reading(2))) == 1


def unreadable():
    """A function that holds what nobody can read: a generator."""
    held = (k for k in range(3))
    return lambda out: out if held else None


def test_functions_that_cannot_be_read_take_one_place():
    net, found = convnet(), []
    for _ in range(5):
        asking(net, found, about=("l", unreadable()))
    assert len(found) == 5
    kept = unreadable()
    assert [asking(net, found, about=("l", kept)) for _ in range(3)] == [6, 6, 6]
    assert sum(map(len, memory._remembered[net].answers.values())) == 1


def test_it_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(memory, "MOST", 3)
    net, found = convnet(), []
    for side in (8, 9, 10, 11, 12):
        asking(net, found, torch.rand(1, 3, side, side))
    for about in "bcdef":
        asking(net, found, about=about)
    assert sum(map(len, memory._remembered[net].answers.values())) == 3
    assert asking(net, found, about="f") == len(found)


@pytest.mark.slow
@pytest.mark.parametrize("about", ["a", ("l", lambda out: out)])
def test_it_keeps_no_model_alive(about):
    net = convnet()
    net[0].hidden, net[0].way = [net], lambda x: net(x)
    given = Given.of(net, batch())
    remembered(given, about, lambda: 1)
    gone = weakref.ref(net)
    del net, given
    gc.collect()
    assert gone() is None


@pytest.mark.slow
def test_nor_does_a_question_about_it():
    net = convnet()
    given = Given.of(net, batch())
    remembered(given, ("l", lambda out: net and out), lambda: 1)
    gone = weakref.ref(net)
    del net, given
    gc.collect()
    assert gone() is None


class Touchy(dict):
    """Raises what nobody foresaw when it is looked at."""

    def items(self):
        raise ZeroDivisionError("do not look")

    keys = values = __iter__ = items


def test_what_raises_when_it_is_looked_at_is_asked_each_time(as_for_users):
    net, found = convnet(), []
    net[0].touchy = Touchy(a=1)
    assert [asking(net, found), asking(net, found)] == [1, 2]


def test_and_is_an_error_in_the_tests():
    net = convnet()
    net[0].touchy = Touchy(a=1)
    with pytest.raises(ZeroDivisionError):
        asking(net, [])
