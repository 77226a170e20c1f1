"""What was found out of a model once is kept for as long as the model stays what it was."""

import gc
import weakref

import torch
from torch import nn

from helpers.nets import batch, convnet
from sightline.surgery.harness.given import Given
from sightline.surgery.place.memory import remembered


def test_once_for_a_model_a_question_and_a_shape():
    net, other, found = convnet(), convnet(), []

    def ask(model, x, about):
        return remembered(Given.of(model, x), about, lambda: found.append(1) or len(found))

    assert [ask(net, batch(), "a"), ask(net, batch(b=1, seed=3), "a")] == [1, 1]
    assert [ask(net, batch(), "b"), ask(other, batch(), "a")] == [2, 3]
    assert ask(net, batch()[:, :, :8, :8], "a") == 4
    assert ask(net.double(), batch().double(), "a") == 5
    assert ask(net, batch().double(), "b") == 6
    assert [ask(other, batch(), "a"), ask(net, batch().double(), "b")] == [3, 6]


def test_until_the_model_is_another():
    net, found = convnet(), []

    def ask():
        return remembered(Given.of(net, batch()), "a", lambda: found.append(1) or len(found))

    assert ask() == 1
    with torch.no_grad():
        net[0].weight.mul_(2)  # weights move no place
    assert ask() == 1
    net[1].forward = lambda x: x.flip(-1)
    assert [ask(), ask()] == [2, 2]
    handle = net[0].register_forward_hook(lambda *_: None)
    assert ask() == 3
    handle.remove()
    net[1] = nn.Tanh()
    assert ask() == 4


def test_it_keeps_no_model_alive():
    net = convnet()
    remembered(Given.of(net, batch()), "a", lambda: 1)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
