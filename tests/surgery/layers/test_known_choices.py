"""A choice holds at other sizes of the picture, where the search could not choose otherwise."""

import pytest
import torch
from torch import nn

from sightline import explain
from sightline.errors import SurgeryError
from sightline.surgery.harness.given import Given
from sightline.surgery.layers import choose as chooser
from sightline.surgery.layers.known_choices import keep_choice, known_choices
from sightline.surgery.layers.search import Choice


class Stages(nn.Module):
    """Strides 4 and 16: the last stage of a picture under 64 x 64 has no 4 x 4 places."""

    def __init__(self, between=None):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Sequential(nn.Conv2d(3, 4, 4, stride=4), nn.ReLU())
        self.between = between or nn.Identity()
        self.last = nn.Sequential(nn.Conv2d(4, 6, 4, stride=4), nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.last(self.between(self.first(x))).mean((2, 3)))


@pytest.fixture
def searches(monkeypatch):
    """How often a layer was searched for."""
    done, search = [], chooser.search

    def counted(given, *others):
        done.append(given.size)
        return search(given, *others)

    monkeypatch.setattr(chooser, "search", counted)
    return done


def at(net, *size, **asked):
    torch.manual_seed(1)
    return explain(net, torch.rand(1, 3, *size), method="grad_cam", **asked)


def by_first_class(out):
    return out[:, 0]


@pytest.mark.parametrize("target", [None, by_first_class])
def test_other_sizes_are_not_searched(searches, target):
    net = Stages()
    first = at(net, 96, 96, target=target)
    for size in ((112, 96), (80, 128), (112, 96)):
        found = at(net, *size, target=target)
        fresh = at(Stages(), *size, target=target)
        assert found.layer == first.layer == fresh.layer == "last"
        assert torch.equal(found.maps, fresh.maps)
        assert found.provenance["layer"]["reason"].endswith(", as at 96 x 96")
        assert "as at" not in fresh.provenance["layer"]["reason"]
    assert searches == [(96, 96), (112, 96), (80, 128), (112, 96)]  # all but the first: fresh ones


def test_a_later_stage_that_was_too_small_is_found_where_it_is_not(searches):
    net = Stages()
    assert at(net, 32, 32).layer == "first"
    assert at(net, 40, 32).layer == "first"
    assert at(net, 64, 64).layer == "last"
    assert searches == [(32, 32), (64, 64)]


def test_a_stage_that_is_too_small_is_left_where_it_is(searches):
    net = Stages()
    assert at(net, 80, 80).layer == "last"
    assert at(net, 48, 80).layer == "first"
    assert searches == [(80, 80), (48, 80)]


def test_a_grid_that_does_not_grow_with_the_picture_is_searched(searches):
    net = Stages(between=nn.AdaptiveAvgPool2d(32))
    assert at(net, 96, 96).layer == at(net, 128, 128).layer == "last"
    assert searches == [(96, 96), (128, 128)]


def test_sizes_that_are_far_away_are_searched(searches):
    net = Stages()
    at(net, 64, 64), at(net, 64, 160)
    assert searches == [(64, 64), (64, 160)]


def test_another_model_is_searched(searches):
    net = Stages()
    at(net, 96, 96)
    net.last = nn.Sequential(nn.Conv2d(4, 6, 4, stride=4), nn.Tanh())
    at(net, 100, 96)
    assert searches == [(96, 96), (100, 96)]


def test_what_was_taken_over_is_not_kept():
    net = Stages()
    given, other = (Given.of(net, torch.rand(1, 3, side, side)) for side in (96, 100))
    keep_choice(given, "this", chooser.choose(net, given))
    assert known_choices(other, "this") == {}
    assert known_choices(other, "that", trusting=True) == {}
    taken = known_choices(other, "this", trusting=True)[()]
    assert taken.there is None
    keep_choice(other, "this", taken)
    assert known_choices(other, "this") == {}


def test_by_what_is_read_the_last_one_last():
    net = Stages()
    given = Given.of(net, torch.rand(1, 3, 96, 96))
    there = chooser.choose(net, given).there
    one, other = (Choice(name, "", there=there) for name in ("first", "last"))
    for choice, output in ((one, 0), (other, 1), (one, 0)):
        keep_choice(given, "a score", choice, ((output, ("all",)),))
    known = known_choices(given, "a score")
    assert [choice.name for choice in known.values()] == ["last", "first"]


class LargeOnly(Stages):
    """A second branch that runs for large pictures only, and comes last there."""

    def __init__(self):
        super().__init__()
        self.other = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.ReLU())
        self.there = nn.Linear(6, 3)

    def forward(self, x):
        y = super().forward(x)
        return self.there(self.other(x).mean((2, 3))) if x.shape[3] > 80 else y


def test_a_layer_that_does_not_run_at_another_size_is_searched(searches):
    net = LargeOnly()
    assert at(net, 96, 96).layer == "other"
    assert at(net, 72, 72).layer == "last"
    assert searches == [(96, 96), (72, 72)]
    with pytest.raises(SurgeryError, match="'other' to run; it did not run"):
        at(net, 72, 72, layer="other")


class Routed(nn.Module):
    """Dark pictures go one way, others another; noise is dark."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dark, self.light = nn.Conv2d(3, 4, 4, stride=4), nn.Conv2d(3, 4, 4, stride=4)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        way = self.light if x.mean() > 0.3 else self.dark
        return self.head(torch.tanh(way(x)).mean((2, 3)))


@pytest.mark.parametrize("target", [None, by_first_class])
def test_a_model_that_goes_another_way_on_noise_is_looked_at_on_the_picture(target):
    net = Routed()
    e = at(net, 32, 32, target=target)
    assert e.layer == "light"
    assert e.provenance["layer"]["place"]["seen"] == "the layer did not run on noise"
    assert explain(net, torch.rand(1, 3, 32, 32) - 0.5, target, "grad_cam").layer == "dark"
    assert at(net, 32, 32, target=target).layer == "light"
