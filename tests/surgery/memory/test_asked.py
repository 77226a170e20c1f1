"""What is asked of a model, as a digest: each part of it counts, but for the picture's size."""

import sys

import pytest
import torch
from torch import nn

from helpers.nets import batch, convnet
from helpers.own_nets import CHANGES, Own
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.memory import asked
from sightline.surgery.memory.asked import digest, key


def digest_of(inputs=None, about=("place", "0", -1, None), net=None, **options):
    given = Given.of(convnet() if net is None else net, batch() if inputs is None else inputs)
    return digest(given, about, **options)


def test_the_size_of_the_picture_does_not_count_nor_do_its_numbers():
    assert digest_of() == digest_of(torch.rand(3, 3, 40, 20)) is not None


@pytest.mark.parametrize(
    "about",
    [
        ("place", "1", -1, None),
        ("place", "0", 0, None),
        ("place", "0", -1, (4, 4)),
        ("place", "0", -1, Grid("tokens", (4, 4), 1)),
        ("place", "0", -1, lambda out: out),
        ("carried", "0", -1, None),
    ],
)
def test_the_question_counts(about):
    assert digest_of() != digest_of(about=about)
    assert digest_of(about=about) == digest_of(about=about)


@pytest.mark.parametrize(
    "inputs",
    [
        batch().double(),
        batch()[:, :2],
        {"x": batch()},
        (batch(), True),
        (batch(), False),
        (batch(), "word"),
        (batch(), torch.tensor([1])),
        (batch(), torch.tensor([2])),
        (batch(), torch.rand(2, 5)),
        (batch(), {"deep": [1]}),
    ],
)
def test_the_arguments_count(inputs):
    others = [digest_of(), *(digest_of(one) for one in ((batch(), 3), (batch(), None)))]
    assert digest_of(inputs) not in others
    assert digest_of(inputs) == digest_of(inputs)


@pytest.mark.parametrize("change", ["a global hook", "a global hook before"])
def test_hooks_of_all_modules_count(change, monkeypatch):
    before = digest_of(net=Own())
    CHANGES[change](None, monkeypatch)
    assert digest_of(net=Own()) != before


def test_versions_count(monkeypatch):
    before = digest_of()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "1.0")
        assert digest_of() != before
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 99, 0))
        assert digest_of() != before
    with monkeypatch.context() as patch:
        patch.setattr(asked, "library", lambda name: "0.0")
        assert digest_of() != before
    with monkeypatch.context() as patch:
        patch.setattr(asked, "_own_code", lambda: "worked on")
        assert digest_of() != before
    assert digest_of() == before


def test_weights_count_where_they_are_asked_for():
    one, other = convnet(), convnet()
    with torch.no_grad():
        other[0].weight.mul_(2)
    assert digest_of(net=one) == digest_of(net=other)
    assert digest_of(net=one, weights=True) != digest_of(net=other, weights=True)
    assert digest_of(net=one, weights=True) == digest_of(net=convnet(), weights=True)


class Sampler(nn.Module):
    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.eye(2, 3))

    def forward(self, x):
        where = nn.functional.affine_grid(self.theta.expand(len(x), 2, 3), list(x.shape))
        return nn.functional.grid_sample(x, where)


def test_and_where_code_samples_at_numbers():
    one, other = Sampler(), Sampler()
    with torch.no_grad():
        other.theta[0, 0] = -1
    assert digest_of(net=one) != digest_of(net=other)
    assert digest_of(net=one) == digest_of(net=Sampler())


def test_what_cannot_be_read_has_none():
    net = convnet()
    net[0].held = object()
    assert digest_of(net=net) is None
    assert digest_of((batch(), object())) is None
    assert digest_of(about=("place", object())) is None


def test_a_key_for_what_cannot_be_read_is_the_same_for_itself_only():
    one, other = SimpleHolder(), SimpleHolder()
    assert key(("a", one)) == key(("a", one))
    assert key(("a", one)) != key(("a", other))
    assert key(("a", one))[0] == key(("a", other))[0]


class SimpleHolder:
    def __init__(self):
        self.held = iter([1])
