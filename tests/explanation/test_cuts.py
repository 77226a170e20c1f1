"""Several layers that make one map: branches that the model joins by its own code."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import assert_same, convnet, photograph
from sightline import explain
from sightline.errors import LayerError
from sightline.explanation.cuts import joined
from sightline.methods import METHODS

X = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).double()


class Branches(nn.Module):
    """Two branches of one stem, joined by `cat` or `+`; the twin names what they are joined to."""

    def __init__(self, how="cat", *, named=False, stride=1):
        super().__init__()
        torch.manual_seed(0)
        self.how, self.stem = how, nn.Conv2d(3, 4, 3, padding=1)
        self.left = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.right = nn.Sequential(nn.Conv2d(4, 4, 5, stride, padding=2), nn.Tanh())
        self.joined = nn.Identity() if named else (lambda x: x)
        self.head = nn.Linear(8 if how == "cat" else 4, 3)
        self.double().eval()

    def forward(self, x):
        x = F.relu(self.stem(x))
        one, other = self.left(x), self.right(x)
        if one.shape != other.shape:
            means = torch.cat([one.mean((2, 3)), other.mean((2, 3))], 1)
            return self.head(means)
        both = torch.cat([one, other], 1) if self.how == "cat" else one + other
        return self.head(self.joined(both).mean((2, 3)))


SUMS = ["grad_cam", "grad_cam_pp", "layer_cam", "hires_cam", "xgrad_cam"]


@pytest.mark.parametrize("method", SUMS)
def test_branches_of_a_cat_have_the_map_of_what_they_are_joined_to(method):
    net = Branches()
    before = photograph(net)
    e = explain(net, X, 1, method)
    assert_same(before, photograph(net))
    assert e.layer == "left + right"
    assert "2 branches that carry the score together" in e.layer_reason
    whole = explain(Branches(named=True), X, 1, method, "joined")
    torch.testing.assert_close(e.coarse, whole.coarse, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(e.maps, whole.maps, rtol=1e-9, atol=1e-12)
    assert [one.word for one in e.status] == [one.word for one in whole.status]
    assert e.provenance["layer"]["place"]["share"] == 1
    assert set(e.provenance["layer"]["parts"]) == {"left", "right"}


def test_branches_of_a_sum_have_the_map_of_the_sum():
    """Grad-CAM weighs what is added alike: its map of the sum is the sum of its maps."""
    e = explain(Branches("+"), X, 1, "grad_cam")
    whole = explain(Branches("+", named=True), X, 1, "grad_cam", "joined")
    torch.testing.assert_close(e.coarse, whole.coarse, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != "cam"])
def test_every_method_makes_one_map_of_several_layers(method):
    e = explain(Branches(), X[:1], 1, method)
    parts = explain(Branches(), X[:1], 1, method, ["left", "right"])
    assert e.layer == "left + right"
    assert e.maps.isfinite().all()
    if method in SUMS:
        want = sum(one.coarse for one in parts.values())
        torch.testing.assert_close(e.coarse, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layer", ["stem + left", "left + stem", "stem + left + right"])
def test_layers_in_a_row_are_no_cut(layer):
    with pytest.raises(LayerError, match="'stem' leads to 'left', and what passes through both"):
        explain(Branches(), X, 1, "grad_cam", layer)
    assert set(explain(Branches(), X, 1, "grad_cam", ["stem", "left"])) == {"stem", "left"}


def test_on_the_finer_grid_the_sum_stays_what_it_was():
    """What is said of a place is shared among the places it is enlarged to."""
    net = Branches(stride=2)
    e = explain(net, X, 1, "hires_cam")
    assert e.layer == "left + right"
    assert e.coarse.shape == (2, 16, 16)
    parts = explain(net, X, 1, "hires_cam", ["left", "right"])
    total = sum(one.coarse.flatten(1).sum(1) for one in parts.values())
    torch.testing.assert_close(e.coarse.flatten(1).sum(1), total)
    # The head is linear in both means, so the map is complete: its sum is the score less its bias.
    scores = net(X)[:, 1] - net.head.bias[1]
    torch.testing.assert_close(e.coarse.flatten(1).sum(1), scores)
    assert e.provenance["layer"]["grid"]["size"] == [16, 16]


def test_maps_of_one_size_are_added():
    one, other = torch.rand(2, 3, 4), torch.rand(2, 3, 4)
    assert torch.equal(joined([one]), one)
    assert torch.equal(joined([one, other]), one + other)


class Ensemble(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.members = nn.ModuleList(convnet(seed=k) for k in range(count))

    def forward(self, x):
        return torch.stack([member(x) for member in self.members]).mean(0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_members_of_an_ensemble_are_one_cut(count):
    net = Ensemble(count).double().eval()
    e = explain(net, X, 1, "grad_cam")
    assert e.layer == " + ".join(f"members.{k}" + ".5" for k in range(count))
    own = [explain(one, X, 1, "grad_cam", "5").coarse for one in net.members]
    torch.testing.assert_close(e.coarse, sum(own) / count, rtol=1e-9, atol=1e-12)
    assert all(one.word in ("ok", "no positive evidence") for one in e.status)


class SideHead(nn.Module):
    """A U: the decoder has the encoder's map beside its own, and a side head reads that, too."""

    def __init__(self, beside=True):
        super().__init__()
        torch.manual_seed(0)
        self.beside = beside
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(4, 8, 3, 2, padding=1), nn.ReLU())
        self.up = nn.Sequential(nn.Conv2d(12, 8, 3, padding=1), nn.Tanh())
        self.side = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Tanh())
        self.head, self.side_head = nn.Linear(8, 3), nn.Linear(8, 3)
        self.double().eval()

    def forward(self, x):
        first = self.first(x)
        down = self.down(first)
        up = self.up(torch.cat([first, F.interpolate(down, scale_factor=2)], 1))
        said = self.head(up.mean((2, 3)))
        return said + self.side_head(self.side(down).mean((2, 3))) if self.beside else said


def test_a_decoder_and_a_side_head():
    net = SideHead()
    e = explain(net, X, 1, "grad_cam")
    assert e.layer == "up + side"
    assert all(one.word in ("ok", "no positive evidence") for one in e.status)
    assert explain(SideHead(beside=False), X, 1, "grad_cam").layer == "up"


def test_a_caller_may_name_several():
    net = Branches()
    named = explain(net, X, 1, "grad_cam", "left + right")
    assert named.layer_reason == "named by the caller"
    torch.testing.assert_close(named.maps, explain(net, X, 1, "grad_cam").maps)
    both = explain(net, X, 1, "grad_cam", ["left + right", "left", "stem"])
    assert list(both) == ["left + right", "left", "stem"]
    torch.testing.assert_close(both["left + right"].maps, named.maps)
    assert both["left"].status[0].word == "part of the evidence"
    assert both["left + right"].status[0].word != "part of the evidence"


class Around(nn.Module):
    """A layer that carries a part of the score; the rest goes by no map at all."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.late, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)
        self.double().eval()

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.late(x).mean((2, 3)) + x.amax((2, 3)))


def test_where_no_layers_do_it_together_the_last_that_does_it_alone():
    e = explain(Around(), X, 1, "grad_cam")
    assert e.layer == "stem"
    assert e.layer_reason == "the last layer that carries the whole score; 'late' carries a part"
    assert e.provenance["layer"]["place"]["share"] == 1


def test_unchecked_is_as_it_was():
    e = explain(Branches(), X, 1, "grad_cam", place="unchecked")
    assert e.layer == "right"
