"""Which layers carry together what one of them does not."""

import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import assert_same, batch, convnet, photograph
from sightline.surgery import Choice, all_outputs
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.place.carried import flow
from sightline.surgery.place.several import _on_one_way, whole_cut

X = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def conv(enters, leaves, stride=1):
    return nn.Sequential(nn.Conv2d(enters, leaves, 3, stride, padding=1), nn.Tanh())


class Blocks(nn.Module):
    """Three blocks side by side, of which one is of no weight, behind a stem."""

    def __init__(self, weights=(1.0, 1.0, 0.0)):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.weights = conv(3, 4), weights
        self.one, self.two, self.three = conv(4, 4), conv(4, 4), conv(4, 4)

    def forward(self, x):
        x = self.stem(x)
        rows = [block(x) for block in (self.one, self.two, self.three)]
        return torch.cat([w * y for w, y in zip(self.weights, rows, strict=True)], 1).mean((2, 3))


def names(net, choice, x=X, score=all_outputs):
    given, before = Given.of(net.eval(), x), photograph(net)
    cut = whole_cut(given, Choice(choice, "chosen"), score)
    assert_same(before, photograph(net))
    assert whole_cut(given, Choice(choice, "chosen"), score) is cut
    return [one.name for one in cut]


def test_those_that_add_something_in_the_order_of_running():
    assert names(Blocks((1.0, 1.0, 1.0)), "three") == ["one", "two", "three"]
    assert names(Blocks(), "two") == ["one", "two"]  # the third adds nothing
    assert names(Blocks((1.0, 0.0, 0.0)), "one") == ["one"]


def test_what_is_asked_decides():
    net = Blocks((1.0, 1.0, 1.0)).eval()
    given = Given.of(net, X)
    scores = {"first": lambda out: out[:, :4].sum(1), "both": lambda out: out[:, :8].sum(1)}
    found = {
        word: [one.name for one in whole_cut(given, Choice("one", "chosen"), score, word)]
        for word, score in scores.items()
    }
    assert found == {"first": ["one"], "both": ["one", "two"]}


class Deep(nn.Module):
    """Two branches of two layers each: the last of either is taken, and none before it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left = nn.Sequential(conv(3, 4), conv(4, 4))
        self.right = nn.Sequential(conv(3, 4), conv(4, 4, 2))

    def forward(self, x):
        return torch.cat([self.left(x).mean((2, 3)), self.right(x).mean((2, 3))], 1)


def test_none_before_another():
    assert names(Deep(), "right") == ["left", "right"]
    given = Given.of(Deep().eval(), X)
    runs = [LayerRun(name) for name in ("left.0", "left", "right.0", "right")]
    with flow(given, runs, all_outputs) as found:
        rows = {one.run.name: one for one in found.layers}
        assert _on_one_way(rows["left.0"], rows["left"])
        assert _on_one_way(rows["right"], rows["right.0"])
        assert not _on_one_way(rows["left"], rows["right.0"])


def test_in_a_chain_there_is_nothing_beside():
    assert names(convnet(), "5", batch()) == ["5"]


class Around(nn.Module):
    """A branch without a map goes around the last layers."""

    def __init__(self, stride=1):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.late = conv(3, 4), conv(4, 4, stride)

    def forward(self, x):
        x = self.stem(x)
        return self.late(x).mean((2, 3)) + F.adaptive_max_pool2d(x, 1).flatten(1)


def test_the_last_that_does_it_alone_unless_it_is_much_finer():
    assert names(Around(), "late") == ["stem"]
    assert names(Around(2), "late") == ["stem"]
    assert names(Around(4), "late") == ["late"]  # sixteen of its places for one


def test_a_score_that_cannot_be_asked_of_noise():
    def fails(out):
        raise KeyError("no such box")

    assert names(Blocks(), "two", score=fails) == ["two"]
