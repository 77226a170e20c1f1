"""How much of what reaches the score passes through a layer."""

import pytest
import torch
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline import explain
from sightline.surgery import all_outputs, carried
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun


class Joined(nn.Module):
    """Two linear branches of one stem, of which `share` of the derivative comes by the left one."""

    def __init__(self, how, left, right):
        super().__init__()
        torch.manual_seed(0)
        self.how = how
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.left, self.right = (nn.Conv2d(4, 4, 1, groups=4, bias=False) for _ in range(2))
        nn.init.constant_(self.left.weight, left)
        nn.init.constant_(self.right.weight, right)

    def forward(self, x):
        x = self.stem(x)
        one, other = self.left(x), self.right(x)
        return (torch.cat([one, other], 1) if self.how == "cat" else one + other).mean((2, 3))


def asked(net, layer, score=lambda out: out.sum(1), **run):
    x = torch.rand(1, 3, 8, 8, dtype=torch.double)
    return carried(Given.of(net.double().eval(), x), [LayerRun(layer, **run)], score, about=score)


@pytest.mark.parametrize("how", ["cat", "add"])
@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (3.0, 1.0), (1.0, 0.25), (0.0, 1.0)])
def test_the_share_of_a_branch_is_that_of_its_derivative(how, left, right):
    net = Joined(how, left, right)
    assert asked(net, "stem") == 1
    assert asked(net, "left") == pytest.approx(left**2 / (left**2 + right**2), abs=1e-12)
    assert asked(net, "right") == pytest.approx(right**2 / (left**2 + right**2), abs=1e-12)


def test_a_branch_that_the_score_does_not_ask_for_does_not_count():
    net = Joined("cat", 1.0, 1.0)
    assert asked(net, "left", lambda out: out[:, :4].sum(1)) == 1
    assert asked(net, "left", lambda out: out[:, 4:].sum(1)) == 0


@pytest.mark.parametrize("layer", ["0", "1", "2", "5"])
def test_in_a_chain_every_layer_carries_all(layer):
    net = convnet()
    given = Given.of(net, batch())
    assert carried(given, [LayerRun(layer)], all_outputs) == 1


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh())
        self.whole = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.stem(x)
        return self.whole(x + self.block(x)).mean((2, 3))


def test_what_a_residual_goes_around_is_a_branch_and_what_adds_it_is_none():
    torch.manual_seed(0)
    net = Residual()
    assert 0 < asked(net, "block") < 1
    assert asked(net, "whole") == asked(net, "stem") == 1


class ClassToken(nn.Module):
    """The last block of a vision transformer: a norm before the attention, the stream around it."""

    def __init__(self, read):
        super().__init__()
        torch.manual_seed(0)
        self.read = read
        self.patch, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.first = nn.TransformerEncoderLayer(8, 2, 16, 0.0, norm_first=True, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        x = self.first(torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1))
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head(x[:, 0] if self.read == "token" else x[:, 1:].mean(1))


def test_a_class_token_around_the_norm_is_no_place():
    x = torch.rand(1, 3, 16, 16)
    for read, whole in (("token", True), ("mean", False)):
        net = ClassToken(read).eval()
        share = carried(Given.of(net, x), [LayerRun("norm")], all_outputs)
        assert (share == 1) == whole  # the mean reads the stream's own places, too
    assert carried(Given.of(net, x), [LayerRun("first")], all_outputs) == 1


class Twice(nn.Module):
    """One layer on two pictures."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Tanh())

    def forward(self, one, other):
        return self.net(one).mean((2, 3)) + self.net(other).mean((2, 3))


def test_a_run_that_saw_another_picture_carries_nothing_of_this_one():
    net, x = Twice().eval(), torch.rand(1, 3, 8, 8)
    given = Given.of(net, (x, torch.rand(1, 3, 8, 8)))
    assert carried(given, [LayerRun("net", 0)], all_outputs) == 1
    assert carried(given, [LayerRun("net", 1)], all_outputs) is None


def test_what_cannot_be_asked_is_not_known_and_the_model_is_as_it_was():
    net, x = convnet(), batch()
    before = photograph(net)

    def fails(outputs):
        raise ValueError("not of noise")

    assert carried(Given.of(net, x), [LayerRun("2")], fails) is None
    assert carried(Given.of(net, x), [LayerRun("2")], lambda out: out[:, 0].detach()) is None
    assert_same(before, photograph(net))


def test_the_status_says_how_large_a_part_it_is():
    net, x = Joined("cat", 3.0, 1.0).eval(), torch.rand(2, 3, 8, 8)
    e = explain(net, x, lambda out: out.sum(1).abs(), "hires_cam", "left")
    assert [one.word for one in e.status] == ["part of the evidence"] * 2
    assert "90%" in e.status[0].message
    assert e.provenance["layer"]["place"]["share"] == pytest.approx(0.9, abs=1e-5)
    whole = explain(net, x, lambda out: out.sum(1).abs(), "hires_cam", "stem")
    assert {one.word for one in whole.status} <= {"ok", "no positive evidence"}
    assert whole.provenance["layer"]["place"]["share"] == 1


def test_a_member_of_an_ensemble_says_that_it_is_a_part():
    class Ensemble(nn.Module):
        def __init__(self, *members):
            super().__init__()
            self.members = nn.ModuleList(members)

        def forward(self, x):
            return torch.stack([member(x) for member in self.members]).mean(0)

    net = Ensemble(convnet(), convnet()).eval()
    e = explain(net, batch(), 1, "layer_cam", "members.1.5")
    assert {one.word for one in e.status} <= {"part of the evidence", "no positive evidence"}
    # twice the same network: half of it, and by squares of derivatives a half, too
    assert e.provenance["layer"]["place"]["share"] == pytest.approx(0.5, abs=1e-5)
