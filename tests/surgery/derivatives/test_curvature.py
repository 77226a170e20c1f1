"""True second and third derivatives: every way against nested autograd, and what happens where none
can be right.
"""

import pytest
import torch
from torch import nn

from helpers import curved_tails as bends
from helpers.closeness import assert_near
from helpers.nets import assert_same, photograph
from reference.true_derivatives import true_derivatives
from sightline.errors import SurgeryError
from sightline.surgery import capture
from sightline.surgery.derivatives import diagonal
from sightline.surgery.derivatives.curvature import curvature
from sightline.surgery.derivatives.diagonal import STRATEGIES

ASKED = (0, 2)


def asked(net, activations, layer="0"):
    def again():
        trace = capture(net, activations, layer)
        return trace, trace.outputs[:, list(ASKED)].T

    trace, scores = again()
    return again, scores, trace.gradients(scores)[0]


def by_brute_force(net, activations):
    """`[3, n, b, c, *s]`: one activation after another, differentiated three times by autograd."""
    with bends.brute():
        return torch.stack(
            [
                torch.stack(
                    [
                        torch.cat(true_derivatives(lambda a, k=k: net(a)[0, k], one.unsqueeze(0)))
                        for one in activations
                    ],
                    dim=1,
                )
                for k in ASKED
            ],
            dim=1,
        )


def assert_derivatives(found, want, bar=1e-8):
    assert_near(found.first, want[0], bar)
    for got, true in ((found.second, want[1]), (found.third, want[2])):
        if not true.any():  # straight, or the third derivative of a parabola
            assert not got.any()
        else:
            assert_near(got, true, bar)


@pytest.mark.slow
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", bends.TAILS)
def test_as_nested_autograd_by_the_way_that_is_meant(name, axes):
    """Two classes of two images, on a signal, a picture, a volume."""
    net, activations = bends.made(name, axes)
    found = curvature(*asked(net, activations))
    assert found.strategy == bends.TAILS[name][0]
    assert_derivatives(found, by_brute_force(net, activations))


@pytest.mark.parametrize(
    "name", [name for name, (way, _) in bends.TAILS.items() if way != "directions"]
)
def test_structure_gives_what_directions_give(name):
    net, activations = bends.made(name)
    question = asked(net, activations)
    found, general = curvature(*question), curvature(*question, strategies=["directions"])
    assert general.strategy == "directions"
    scale = float(general.first.abs().max())
    assert float((found.second - general.second).abs().max()) <= 1e-10 * scale
    assert float((found.third - general.third).abs().max()) <= 1e-10 * scale


@pytest.mark.slow
@pytest.mark.parametrize("name", ["silu", "squeeze and excitation", "pooled, two layers", "gelu"])
def test_the_recorded_graph_gives_it_too(name):
    net, activations = bends.made(name)
    question = asked(net, activations)
    slow = curvature(*question, strategies=["graph"])
    assert slow.strategy == "graph"
    assert_near(curvature(*question).second, slow.second, 1e-10)
    assert_near(curvature(*question).third, slow.third, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "chunks"),
    [
        ("attention", (7, 25)),  # one at a time takes 15 s here, and is the same loop
        ("two pointwise layers", (1, 7)),
        ("pooled, layer norm", (1, 7)),
    ],
)
def test_the_chunk_changes_nothing(name, chunks, monkeypatch):
    monkeypatch.setattr(diagonal, "_LONG", float("inf"))  # how long it takes hangs on the machine
    net, activations = bends.made(name)
    question = asked(net, activations)
    whole = curvature(*question, chunk=1000)
    for chunk in chunks:
        part = curvature(*question, chunk=chunk)
        assert_near(part.second, whole.second, 1e-12)
        assert_near(part.third, whole.third, 1e-12)


@pytest.mark.slow
def test_tokens_behind_a_class_token_are_the_layer_too():
    """The class token moves, when a place moves; it is no place itself."""

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.cls = nn.Parameter(torch.randn(1, 1, 4))
            self.embed, self.norm = nn.Conv2d(3, 4, 2, 2), nn.Identity()
            self.block, self.head = bends.Block(4), nn.Linear(4, 5)

        def forward(self, x):
            tokens = self.embed(x).flatten(2).transpose(1, 2)
            tokens = self.norm(torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1))
            return self.head(self.block(tokens)[:, 0])

    torch.manual_seed(0)
    net, images = Tiny().double().eval(), torch.randn(2, 3, 6, 6, dtype=torch.float64)
    found = curvature(*asked(net, images, "norm"))
    assert found.second.shape == (2, 2, 4, 3, 3)
    tokens = capture(net, images, "norm").cuts[0].node.detach()

    def score(places, k, image):
        whole = torch.cat([tokens[image : image + 1, :1], places.flatten(2).transpose(1, 2)], 1)
        return net.head(net.block(whole)[:, 0])[0, k]

    for n, k in enumerate(ASKED):
        for image in range(2):
            own = tokens[image : image + 1, 1:].transpose(1, 2).unflatten(2, (3, 3))
            with bends.brute():
                _, second, third = true_derivatives(lambda a, k=k, i=image: score(a, k, i), own)
            assert_near(found.second[n, image], second[0], 1e-8)
            assert_near(found.third[n, image], third[0], 1e-8)


class Joined(nn.Module):
    """A constant token is put before the places, as the class token of CaiT; or the best place's
    score is the output, as a detector's is asked.
    """

    def __init__(self, best):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.best, self.head = nn.Identity(), best, nn.Linear(3, 5)

    def forward(self, x):
        tokens = self.layer(x).flatten(2).transpose(1, 2)
        if self.best:
            return nn.functional.silu(self.head(tokens))[..., 0].amax(1)
        joined = torch.cat([torch.ones(len(x), 1, 3).to(x), tokens], 1)
        return self.head(nn.functional.silu(joined).mean(1))[:, 0]


@pytest.mark.parametrize("best", [False, True])
def test_what_is_joined_with_constants_and_the_best_of_many(best):
    """No chain and no map of numbers, and no error of a strategy that takes it for one."""
    net = Joined(best).double().eval()
    activations = torch.randn(2, 3, 2, 2, dtype=torch.float64)

    def again():
        trace = capture(net, activations, "layer")
        return trace, trace.outputs[None]

    found = curvature(again, again()[1])
    assert found.strategy != "graph"
    for image in range(2):
        with bends.brute():
            _, second, third = true_derivatives(lambda a: net(a)[0], activations[image : image + 1])
        assert_near(found.second[0, image], second[0], 1e-8)
        assert_near(found.third[0, image], third[0], 1e-8)


def test_single_precision_keeps_most_digits():
    net, activations = bends.made("squeeze and excitation")
    want = curvature(*asked(net, activations))
    found = curvature(*asked(net.float(), activations.float()))
    assert found.second.dtype == torch.float32
    assert_near(found.second, want.second, 1e-4)
    assert_near(found.third, want.third, 1e-3)


def test_the_model_is_as_it_was():
    net, activations = bends.made("attention")
    net.float().train()
    before = photograph(net)
    with torch.no_grad():
        curvature(*asked(net, activations.float()))
    assert_same(before, photograph(net))


class Doubled(torch.autograd.Function):
    """Its backward is not its derivative: what the tape cannot know, and autograd says."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 2 * x


class Own(nn.Module):
    def forward(self, x):
        return Doubled.apply(x)


@pytest.mark.slow
def test_what_the_tape_does_not_know_is_asked_of_the_graph():
    net, activations = bends.made("silu")
    net = nn.Sequential(net[0], Own(), net[1]).eval()
    found = curvature(*asked(net, activations))
    assert found.strategy == "graph"
    assert_derivatives(found, by_brute_force(net, activations))


@pytest.mark.slow
def test_wrong_numbers_are_not_believed(monkeypatch):
    """A way that errs by one part in a thousand is left for the next."""
    net, activations = bends.made("silu")
    question = asked(net, activations)
    right = curvature(*question)
    honest = STRATEGIES["powers"]

    def wrong(self):
        first, second, third = honest(self)
        return first, second, third * 1.001

    monkeypatch.setitem(STRATEGIES, "powers", wrong)
    found = curvature(*question)
    assert found.strategy == "coloured"
    assert_near(found.third, right.third, 1e-10)


def test_where_no_way_is_right_it_says_so():
    class Beyond(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(3)

        def forward(self, x):
            return Doubled.apply(self.norm(x.flatten(2).mean(2)))

    torch.manual_seed(0)
    net, activations = (
        nn.Sequential(nn.Identity(), Beyond()).double(),
        torch.randn(1, 3, 4, 5).double(),
    )
    with pytest.raises(
        SurgeryError, match=r"differentiated three times behind '0'.*NativeLayerNorm.*alpha='paper'"
    ):
        curvature(*asked(net, activations))


def test_a_model_that_draws_is_refused():
    class Draws(nn.Module):  # not from torch's generators: those are put back before each run
        def __init__(self):
            super().__init__()
            self.dice = iter(range(100))

        def forward(self, x):
            return x.flatten(2).mean(2) * (1 + next(self.dice))

    with pytest.raises(SurgeryError, match="same scores when it runs again"):
        curvature(*asked(nn.Sequential(nn.Identity(), Draws()), torch.randn(2, 3, 4, 5)))
