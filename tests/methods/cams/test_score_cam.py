"""Score-CAM, SS-CAM and IS-CAM: the whole way against naive loops, constant channels, fewer
channels, memory.
"""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import Notes, batch, convnet
from reference.combine import combine
from reference.score_cam import averaged, looked_through, mask, network_scores, shares
from reference.ss_cam import field
from sightline import explain
from sightline.errors import MethodError
from sightline.methods import is_cam, score_cam, ss_cam
from sightline.surgery import capture

CHANGES = {
    "score_cam": [None],
    "is_cam": [lambda m, i=i: m * i / 3 for i in (1, 2, 3)],
    "ss_cam": [lambda m, i=i: m + 0.5 * field(i, list(m.shape)) for i in range(3)],
}
OPTIONS = {"score_cam": {}, "is_cam": {"steps": 3}, "ss_cam": {"samples": 3, "std": 0.5}}


def slow_map(net, image, activations, ask, method):
    """The signed map `[*s]` of one image, all by loops."""
    told = [network_scores(net, image, activations, ask, change) for change in CHANGES[method]]
    weights = shares({k: sum(one[k] for one in told) / len(told) for k in told[0]}, "paper")
    column = torch.tensor(
        [weights.get(k, 0.0) for k in range(len(activations))], dtype=torch.float64
    )
    return combine(column.reshape(1, -1, *[1] * (activations.ndim - 1)), activations[None])[0]


def logit(klass, sign=1.0):
    return lambda outputs: sign * outputs[0, klass]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("method", CHANGES)
def test_the_whole_way_is_that_of_naive_loops(method, axes):
    net, x = convnet(axes, head="fc").double(), batch(axes, b=2).double()
    e = explain(net, x, [1, 4], method, **OPTIONS[method])
    activations = net[:6](x).detach()
    for i in range(2):
        for j, klass in enumerate((1, 4)):
            assert_near(
                e.coarse[i, j], slow_map(net, x[i], activations[i], logit(klass), method), 1e-9
            )


@pytest.mark.parametrize("method", CHANGES)
def test_against_the_class_the_score_is_negated_before_the_softmax(method):
    net, x = convnet(head="fc").double(), batch(b=1).double()
    against = explain(net, x, 1, method, counterfactual=True, **OPTIONS[method])
    assert_near(
        against.coarse[0], slow_map(net, x[0], net[:6](x)[0].detach(), logit(1, -1.0), method), 1e-9
    )


def test_float32_is_within_1e_5_of_the_float64_loops():
    net, x = convnet(head="fc"), batch(b=1)
    e = explain(net, x, 1, "score_cam")
    want = slow_map(
        net.double(), x[0].double(), net[:6](x.double())[0].detach(), logit(1), "score_cam"
    )
    assert e.coarse.dtype == torch.float32
    assert_near(e.coarse[0], want, 1e-5)


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("at_once", [1, 5, 7, 100])
def test_how_many_are_shown_at_once_changes_nothing(method, at_once):
    net, x = convnet(head="fc").double(), batch().double()
    usual = explain(net, x, [1, 2], method, **OPTIONS[method])
    other = explain(net, x, [1, 2], method, at_once=at_once, **OPTIONS[method])
    assert_near(other.coarse, usual.coarse, 1e-12)


class Counts(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.seen = net, Notes()

    def forward(self, x):
        self.seen.append(len(x))
        return self.net(x)


def test_no_more_pictures_than_said_go_through_the_model_and_questions_share_them():
    net = Counts(convnet(head="fc")).eval()
    for targets in (1, [0, 1, 2]):
        for at_once, b in ((4, 1), (5, 2), (2, 3)):
            explain(net, batch(b=b), targets, "grad_cam", "net.5")
            net.seen.clear()
            explain(net, batch(b=b), targets, "score_cam", "net.5", at_once=at_once)
            assert net.seen[0] == b
            assert sum(net.seen[1:]) == 8 * b
            assert max(net.seen[1:]) <= max(at_once, b)


class Ends(nn.Module):
    """Makes some channels constant, in some of the images."""

    def forward(self, y):
        y = y.clone()
        y[:, 1] = 0
        y[0, 3] = 2.0
        return y


def test_a_constant_channel_has_no_mask_no_weight_and_no_forward():
    net = convnet(head="fc").double()
    inner = nn.Sequential(*net[:6], Ends(), *net[6:]).eval()
    model, x = Counts(inner).eval(), batch(b=2).double()
    explain(model, x, 1, "grad_cam", "net.6")
    model.seen.clear()
    e = explain(model, x, 1, "score_cam", "net.6")
    assert sum(model.seen[1:]) == 2 * 7  # channel 1 is silent in both
    assert [one.counts for one in e.status] == [
        {"constant": 1},
        {"constant": 0},
    ]  # silent ones add nothing
    own = capture(inner, x, "6").activations
    for i in range(2):
        assert looked_through(own[i], None) == (
            [0, 2, 4, 5, 6, 7] if i == 0 else [0, 2, 3, 4, 5, 6, 7]
        )
    scores = {}
    for k in looked_through(own[1], None):
        hidden = torch.stack([torch.zeros_like(x[0, 0]), mask(own[1, k], [12, 10])])
        scores[k] = float(inner(x * hidden[:, None])[1, 1].detach())
    column = torch.tensor(
        [shares(scores, "paper").get(k, 0.0) for k in range(8)], dtype=torch.float64
    )
    assert_near(e.coarse[1], combine(column.reshape(1, -1, 1, 1), own[1:])[0], 1e-9)


def test_a_map_that_hardly_varies_is_scaled_without_rounding():
    net, x = convnet(head="fc"), batch(b=1)

    def scores(activations, look, *, lift=0.0):
        assert activations.dtype == torch.float32
        one = activations[:, :1] / activations[:, :1].amax() * 2.0**-10
        found.append(look((one + lift).transpose(0, 1)))
        return activations.mean((2, 3), keepdim=True)

    found = []
    explain(net, x, 1, scores, lift=0.0)
    explain(net, x, 1, scores, lift=64.0)  # a step of float32 there is 2^-17
    assert_near(found[1], found[0], 0.02)


def test_top_looks_through_the_channels_with_the_most_energy_of_each_image():
    net, x = Counts(convnet(head="fc")).double().eval(), batch().double()
    own = net.net[:6](x).detach()
    explain(net, x, 1, "grad_cam", "net.5")
    net.seen.clear()
    e = explain(net, x, 1, "score_cam", "net.5", top=3)
    assert sum(net.seen[1:]) == 3 * 3
    assert e.variant["top"] == 3
    for i in range(3):
        told = network_scores(net.net, x[i], own[i], logit(1))
        some = {k: told[k] for k in looked_through(own[i], 3)}
        column = torch.tensor(
            [shares(some, "paper").get(k, 0.0) for k in range(8)], dtype=torch.float64
        )
        assert_near(e.coarse[i], combine(column.reshape(1, -1, 1, 1), own[i : i + 1])[0], 1e-9)
    every = explain(net, x, 1, "score_cam", "net.5", top=8)
    assert_near(every.coarse, explain(net, x, 1, "score_cam", "net.5").coarse, 1e-12)


def test_the_authors_form_weighs_by_the_probability():
    net, x = convnet(head="fc").double(), batch(b=1).double()
    own = net[:6](x).detach()
    for sign, against in ((1, False), (-1, True)):
        e = explain(net, x, 1, "score_cam", form="authors", counterfactual=against)
        sure = network_scores(net, x[0], own[0], lambda out: out.softmax(1)[0, 1])
        column = torch.tensor([sure.get(k, 0.0) for k in range(8)], dtype=torch.float64)
        column = column if sign > 0 else torch.where(column > 0, 1 - column, 0)
        assert_near(e.coarse[0], combine(column.reshape(1, -1, 1, 1), own)[0], 1e-9)


def test_without_noise_and_in_one_step_both_are_score_cam():
    net, x = convnet(head="fc").double(), batch().double()
    want = explain(net, x, 1, "score_cam").coarse
    assert_near(explain(net, x, 1, "ss_cam", std=0.0).coarse, want, 1e-12)
    assert_near(explain(net, x, 1, "is_cam", steps=1).coarse, want, 1e-12)


def test_a_function_of_the_outputs_sees_the_images_in_their_order():
    net, x = convnet(head="fc").double(), batch().double()
    classes = torch.tensor([1, 4, 2])
    by_class = explain(net, x, classes, ["score_cam", "is_cam"])
    by_function = explain(
        net, x, lambda out: out[torch.arange(3), classes], ["score_cam", "is_cam"]
    )
    for method, e in by_class.items():
        assert_near(by_function[method].coarse, e.coarse, 1e-12)


def test_the_predicted_class_is_that_of_the_whole_picture():
    net, x = convnet(head="fc").double(), batch().double()
    assert torch.equal(
        explain(net, x, None, "score_cam").coarse,
        explain(net, x, net(x).argmax(1), "score_cam").coarse,
    )


@pytest.mark.parametrize("klass", [0, 1])
def test_a_single_logit(klass):
    net, x = convnet(head="fc", classes=1).double(), batch(b=1).double()
    e = explain(net, x, klass, "score_cam")
    want = slow_map(net, x[0], net[:6](x)[0].detach(), logit(0, 2.0 * klass - 1), "score_cam")
    assert_near(e.coarse[0], want, 1e-9)


class Clips(nn.Module):
    """Takes the time before the channels, and a number for each clip."""

    def __init__(self):
        super().__init__()
        self.net = convnet(3, head="fc")

    def forward(self, clips, loudness):
        return self.net(clips.transpose(1, 2)) * loudness[:, None]


def test_clips_with_the_time_first_and_other_inputs_go_along():
    net, x = Clips().double().eval(), batch(3, b=2).double()
    loudness = torch.tensor([0.5, 2.0]).double()
    e = explain(
        net,
        {"clips": x.transpose(1, 2).contiguous(), "loudness": loudness},
        1,
        "score_cam",
        "net.5",
    )
    own = net.net[:6](x).detach()
    for i in range(2):
        ask = lambda out, i=i: out[0, 1] * loudness[i]  # noqa: E731
        assert_near(e.coarse[i], slow_map(net.net, x[i], own[i], ask, "score_cam"), 1e-9)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("score_cam", {"top": 0}, "1 or more; got top=0"),
        ("score_cam", {"top": True}, "got top=True"),
        ("score_cam", {"form": "author"}, "Near names: 'authors'"),
        ("score_cam", {"at_once": 0}, "got at_once=0"),
        ("is_cam", {"steps": 0}, "got steps=0"),
        ("ss_cam", {"samples": 0}, "got samples=0"),
        ("ss_cam", {"std": -1}, "got std=-1"),
    ],
)
def test_options_that_make_no_sense(method, options, message):
    with pytest.raises(MethodError, match=message):
        explain(convnet(), batch(), 1, method, **options)


def test_a_function_has_no_probability():
    with pytest.raises(MethodError, match=r"no probability. Ask for the score itself"):
        explain(convnet(), batch(), lambda out: out[:, 1], "score_cam", form="authors")


def test_weights_sum_to_one_and_the_twins_agree_on_all_options():
    activations = torch.rand(
        2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )

    def look(maps, change=None, *, probability=False, at_once=16):
        masks = maps if change is None else change(maps)
        scores = masks.square().sum(2)
        return scores.sigmoid() if probability else scores

    for top in (None, 4):
        for got, changes in (
            (score_cam(activations, look, top=top), [None]),
            (is_cam(activations, look, top=top, steps=2), [lambda m: m / 2, lambda m: m]),
            (
                ss_cam(activations, look, top=top, samples=2),
                [lambda m, i=i: m + 2 * field(i, [5]) for i in (0, 1)],
            ),
        ):
            assert torch.allclose(got.sum(1), torch.ones(2, 1, dtype=torch.float64))
            assert_near(got, averaged(activations, look, changes, top), 1e-12)
