"""Shapley-CAM: the Hessian times the activations against autograd's whole Hessian, and what the
path makes of it.
"""

import pytest
import torch
from torch import nn

from helpers import curved_tails as bends
from helpers.closeness import assert_near
from helpers.nets import assert_same, batch, convnet, photograph
from reference.combine import combine
from reference.shapley_cam import gradient_and_bend, rest, shapley_cam
from sightline import explain
from sightline.errors import MethodError, SurgeryError
from sightline.surgery import capture
from sightline.surgery.derivatives.second_order import expansion

STRAIGHT = ("relu", "fully connected, relu")


def slow_maps(tail, activations, classes, utility):
    """`[b, n, *s]`: one image and class after another, by the full Hessian."""
    maps = []
    for one, row in zip(activations, classes, strict=True):
        each = []
        for klass in row:

            def value(own, klass=klass):
                rows = tail(own)[0]
                return rest(rows, klass) if utility == "rest" else rows[klass]

            with bends.brute():
                two = gradient_and_bend(value, one[None])
            weights = shapley_cam(lambda _, two=two: two, utility)
            each.append(combine(weights, one[None])[0])
        maps.append(torch.stack(each))
    return torch.stack(maps)


@pytest.mark.parametrize("utility", ["rest", "logit"])
@pytest.mark.parametrize(
    ("name", "axes"), [*((name, 2) for name in bends.TAILS), ("attention", 1), ("silu", 3)]
)
def test_the_map_is_that_of_the_whole_hessian(name, utility, axes):
    """SiLU, GELU, hardswish, layer and group norm, squeeze and excitation, attention; two classes
    of two images.
    """
    net, x = bends.made(name, axes)
    e = explain(net, x, [0, 2], "shapley_cam", "0", utility=utility)
    assert_near(e.coarse, slow_maps(net[1], x, [(0, 2), (0, 2)], utility), 1e-9)


@pytest.mark.parametrize("name", STRAIGHT)
def test_behind_straight_pieces_the_logit_is_grad_cam_and_rest_is_not(name):
    net, x = bends.made(name)
    plain = explain(net, x, 1, "grad_cam", "0").coarse
    assert_near(explain(net, x, 1, "shapley_cam", "0", utility="logit").coarse, plain, 1e-12)
    assert float(
        (explain(net, x, 1, "shapley_cam", "0").coarse - plain).abs().max()
    ) > 0.01 * float(plain.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("utility", ["rest", "logit"])
def test_behind_a_pooled_linear_head_nothing_runs_and_the_map_is_that_of_the_whole_hessian(utility):
    net, x = convnet().double(), batch().double()
    runs = []
    net.register_forward_hook(lambda *_: runs.append(1))
    e = explain(net, x, [1, 4], "shapley_cam", "5", utility=utility, place="unchecked")
    assert len(runs) == 1
    own = net[:6](x).detach()
    assert_near(e.coarse, slow_maps(net[6:], own, [(1, 4)] * 3, utility), 1e-9)


def test_a_parabola_of_one_layer_by_hand():
    """u = a b of two channels, at (2, 3): g = (3, 2), H A = (3, 2); weights (3/2, 1), the map 3 + 3
    = u.
    """

    class Product(nn.Module):
        def forward(self, a):
            return (a[:, 0] * a[:, 1]).flatten(1)

    net = nn.Sequential(nn.Identity(), Product())
    activations = torch.tensor([2.0, 3.0]).reshape(1, 2, 1, 1)
    e = explain(net, activations, 1, "shapley_cam", "0", utility="logit", grid=(1, 1))
    assert e.coarse.item() == pytest.approx(6.0)


def test_against_the_target_it_is_the_negative():
    net, x = bends.made("silu")
    assert torch.equal(
        explain(net, x, [0, 1], "shapley_cam", "0", counterfactual=True).coarse,
        -explain(net, x, [0, 1], "shapley_cam", "0").coarse,
    )


def test_a_batch_is_its_images_and_several_targets_are_one_by_one():
    net, x = bends.made("attention")
    together = explain(net, x, [0, 2], "shapley_cam", "0").coarse
    for i in range(2):
        for j, klass in enumerate((0, 2)):
            assert_near(
                explain(net, x[i : i + 1], klass, "shapley_cam", "0").coarse,
                together[i : i + 1, j],
                1e-12,
            )


def test_a_class_token_stands_still():
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
    tokens = capture(net, images, "norm").cuts[0].node.detach()

    def behind(places):
        whole = torch.cat([tokens[:1, :1], places.flatten(2).transpose(1, 2)], 1)
        return net.head(net.block(whole)[:, 0])

    own = tokens[:1, 1:].transpose(1, 2).unflatten(2, (3, 3))
    e = explain(net, images[:1], 1, "shapley_cam", "norm")
    assert_near(e.coarse, slow_maps(behind, own, [(1,)], "rest")[:, 0], 1e-9)


def test_what_has_no_softmax_is_told_the_other_utility_and_that_works():
    net, x = bends.made("silu")
    with pytest.raises(MethodError, match=r"a function of the outputs\. Take utility='logit'"):
        explain(net, x, lambda out: out[:, 1], "shapley_cam", "0")
    by_function = explain(net, x, lambda out: out[:, 1], "shapley_cam", "0", utility="logit")
    assert_near(
        by_function.coarse, explain(net, x, 1, "shapley_cam", "0", utility="logit").coarse, 1e-12
    )
    single = nn.Sequential(net, nn.Linear(bends.CLASSES, 1).double())
    with pytest.raises(MethodError, match=r"a single logit\. Take utility='logit'"):
        explain(single, x, 1, "shapley_cam", "0.0")
    assert explain(single, x, 1, "shapley_cam", "0.0", utility="logit").coarse.any()


def test_an_unknown_utility_is_told_what_there_is():
    net, x = bends.made("silu")
    with pytest.raises(MethodError, match=r"utility is one of .*'logits'.*'logit'"):
        explain(net, x, 1, "shapley_cam", "0", utility="logits")


def test_where_the_score_does_not_depend_on_the_layer_the_status_says_so():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(3, 5)

        def forward(self, x):
            return self.head(x.mean((2, 3))) + 0 * self.body(x).detach().sum()

    e = explain(Cut().eval(), batch(), 1, "shapley_cam", "body", utility="logit")
    assert {status.word for status in e.status} == {"no gradient"}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_the_full_one(dtype):
    net, x = bends.made("silu")
    full = explain(net.float(), x.float(), 1, "shapley_cam", "0").coarse
    half = explain(net.to(dtype), x.to(dtype), 1, "shapley_cam", "0").coarse
    assert half.dtype == torch.float32
    assert_near(half, full, 0.05)


def test_what_is_not_a_number_is_a_status_and_stays_in_its_image():
    net, x = bends.made("silu")
    x = torch.cat([x, x[:1]])
    x[1, 0] = torch.nan
    words = [status.word for status in explain(net, x, 1, "shapley_cam", "0").status]
    assert words == ["ok", "non-finite", "ok"]


def test_the_model_is_as_it_was():
    net, x = bends.made("attention")
    before = photograph(net)
    explain(net, x, 1, "shapley_cam", "0")
    assert_same(before, photograph(net))


def test_a_model_that_says_something_else_the_second_time_is_refused():
    net, x = bends.made("silu")

    def again():
        trace = capture(net, x, "0")
        return trace, trace.outputs[:, :1].T

    _, scores = again()
    with pytest.raises(SurgeryError, match="the same scores when it runs again"):
        expansion(again, scores + 1)


def test_what_cannot_be_written_down_goes_through_the_recorded_graph():
    """An operator that writes into a part of a tensor; autograd follows it all the same."""

    class Writes(nn.Module):
        def forward(self, a):
            out = a.tanh().clone()
            out[:, 0] *= 2.0
            return out.flatten(2).mean(2) ** 2

    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    net = nn.Sequential(nn.Identity(), Writes())
    e = explain(net, x, [0, 1], "shapley_cam", "0", utility="logit")
    assert_near(e.coarse, slow_maps(net[1], x, [(0, 1)] * 2, "logit"), 1e-9)
