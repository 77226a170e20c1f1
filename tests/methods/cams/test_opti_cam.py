"""Opti-CAM: hand values, the whole way against torch's own Adam on one long graph, what is left
alone, precision.
"""

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import Notes, assert_same, batch, convnet, photograph
from reference.combine import combine
from reference.opti_cam import network_weights
from sightline import explain
from sightline.errors import MethodError, SurgeryError
from sightline.methods import opti_cam

METHOD = "opti_cam"


def logit(klass, sign=1.0):
    return lambda outputs: sign * outputs[0, klass]


def slow_map(net, image, activations, ask, **options):
    weights, told = network_weights(net, image, activations, ask, **options)
    return combine(weights.reshape(1, -1, *[1] * (activations.ndim - 1)), activations[None])[
        0
    ], told


def test_the_first_steps_by_hand():
    """Adam's first step has the size of the rate, whatever the slope: u = (0.1, -0.1), then (0.2,
    -0.2).
    """
    two = torch.eye(2).double()[None]
    slopes = torch.tensor([[5.0, 0.0]]).double()
    for steps in (1, 2):
        u = 0.1 * steps
        weights = opti_cam(
            two, lambda maps, **_: (maps[:, 0], slopes), torch.zeros(1), steps=steps
        ).flatten()
        assert weights[0].item() == pytest.approx(
            1 / (1 + torch.tensor(-2 * u).exp().item()), rel=2e-4
        )
        assert weights.sum().item() == pytest.approx(1, rel=1e-12)


def test_the_difference_is_climbed_down_from_above_and_up_from_below():
    two, slopes = torch.eye(2).double()[None], torch.tensor([[1.0, 0.0]]).double()
    for whole, first_wins in ((9.0, True), (-9.0, False)):
        told = torch.tensor([whole]).double()
        weights = opti_cam(
            two, lambda maps, **_: (maps[:, 0], slopes), told, steps=3, form="difference"
        ).flatten()
        assert bool(weights[0] > weights[1]) is first_wins


@pytest.mark.slow
@pytest.mark.parametrize(("axes", "steps"), [(1, 12), (2, 12), (3, 4)])
@pytest.mark.parametrize("form", ["paper", "difference"])
def test_the_whole_way_is_that_of_torch_s_adam(form, axes, steps):
    """Pixel by pixel, image by image, question by question, all steps on one graph."""
    net, x = convnet(axes, head="fc").double(), batch(axes, b=2).double()
    own = net[:6](x).detach()
    e = explain(net, x, [1, 4], METHOD, steps=steps, form=form)
    for i in range(2):
        for j, klass in enumerate((1, 4)):
            want, told = slow_map(net, x[i], own[i], logit(klass), steps=steps, form=form)
            assert_near(e.coarse[i, j], want, 1e-7)
            if form == "paper":
                assert told[-1] > told[0], "it climbs"
    assert e.variant == {"steps": steps, "lr": 0.1, "form": form, "at_once": 16}


@pytest.mark.slow
def test_the_rate_and_what_speaks_against():
    net, x = convnet(head="fc").double(), batch(b=1).double()
    own = net[:6](x).detach()[0]
    faster = explain(net, x, 1, METHOD, steps=5, lr=0.7)
    assert_near(faster.coarse[0], slow_map(net, x[0], own, logit(1), steps=5, lr=0.7)[0], 1e-7)
    against = explain(net, x, 1, METHOD, steps=5, counterfactual=True)
    assert_near(against.coarse[0], slow_map(net, x[0], own, logit(1, -1.0), steps=5)[0], 1e-7)


@pytest.mark.slow
def test_a_batch_is_its_images_and_a_list_its_questions_however_many_go_at_once():
    net, x = convnet(head="fc").double(), batch().double()
    whole = explain(net, x, [0, 1, 2], METHOD, steps=6).coarse
    for at_once in (1, 4, 100):
        assert_near(
            explain(net, x, [0, 1, 2], METHOD, steps=6, at_once=at_once).coarse, whole, 1e-9
        )
    for i in range(3):
        assert_near(
            explain(net, x[i : i + 1], [0, 1, 2], METHOD, steps=6).coarse, whole[i : i + 1], 1e-9
        )
    assert_near(explain(net, x, 2, METHOD, steps=6).coarse, whole[:, 2], 1e-9)
    assert torch.equal(explain(net, x, [0, 1, 2], METHOD, steps=6).coarse, whole)


class Counts(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.seen = net, Notes()

    def forward(self, x):
        self.seen.append(len(x))
        return self.net(x)


def test_no_more_pictures_than_said_go_through_the_model():
    net, x = Counts(convnet(head="fc")).eval(), batch(b=2)
    explain(net, x, 1, "grad_cam", "net.5")
    net.seen.clear()
    explain(net, x, [0, 1, 2], METHOD, "net.5", steps=4, at_once=4)
    assert net.seen == [2, *[4, 2] * 4]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_model_and_the_generators_are_as_before_in_any_mode(mode):
    net, x = convnet(head="fc").train(), batch()
    net[0].weight.requires_grad_(False)
    net[8].weight.grad = torch.ones_like(net[8].weight)
    want = explain(net, x, [0, 1], METHOD, steps=3).coarse
    with mode():
        before = photograph(net)
        kept = x.clone()
        e = explain(net, x.clone(), [0, 1], METHOD, steps=3)
        assert_same(before, photograph(net))
        assert torch.equal(kept, x)
    assert_near(e.coarse, want, 1e-5)


@pytest.mark.slow
def test_a_constant_channel_has_no_part():
    class Ends(nn.Module):
        def forward(self, y):
            y = y.clone()
            y[:, 1] = 0
            y[0, 3] = 2.0
            return y

    net, x = convnet(head="fc").double(), batch(b=2).double()
    inner = nn.Sequential(*net[:6], Ends(), *net[6:]).eval()
    e = explain(inner, x, 1, METHOD, "6", steps=5)
    assert [one.counts for one in e.status] == [{"constant": 1}, {"constant": 0}]
    own = inner[:7](x).detach()
    assert_near(e.coarse[0], slow_map(inner, x[0], own[0], logit(1), steps=5)[0], 1e-7)
    # where it stands in the batch
    second = lambda one: inner(torch.cat([torch.zeros_like(one), one]))[1:]  # noqa: E731
    assert_near(e.coarse[1], slow_map(second, x[1], own[1], logit(1), steps=5)[0], 1e-7)


def test_where_all_channels_are_constant_nothing_runs():
    calls = []
    weights = opti_cam(torch.ones(2, 3, 4), lambda *a, **k: calls.append(a), torch.zeros(2))
    assert weights.shape == (2, 3, 1)
    assert not weights.any()
    assert not calls


def test_a_function_of_the_outputs_sees_the_images_in_their_order():
    net, x = convnet(head="fc").double(), batch().double()
    classes = torch.tensor([1, 4, 2])
    want = explain(net, x, classes, METHOD, steps=4).coarse
    assert_near(
        explain(net, x, lambda out: out[torch.arange(3), classes], METHOD, steps=4).coarse,
        want,
        1e-9,
    )


@pytest.mark.slow
def test_clips_with_the_time_first_and_other_inputs_go_along():
    class Clips(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet(3, head="fc")

        def forward(self, clips, loudness):
            return self.net(clips.transpose(1, 2)) * loudness[:, None]

    net, x = Clips().double().eval(), batch(3, b=2).double()
    loudness = torch.tensor([0.5, 2.0]).double()
    e = explain(
        net,
        {"clips": x.transpose(1, 2).contiguous(), "loudness": loudness},
        1,
        METHOD,
        "net.5",
        steps=4,
    )
    own = net.net[:6](x).detach()
    for i in range(2):
        ask = lambda out, i=i: out[0, 1] * loudness[i]  # noqa: E731
        assert_near(e.coarse[i], slow_map(net.net, x[i], own[i], ask, steps=4)[0], 1e-7)


def test_bfloat16_and_autocast_give_the_same_picture():
    net, x = convnet(head="fc"), batch()
    want = explain(net, x, 1, METHOD, steps=10).coarse
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = explain(net, x, 1, METHOD, steps=10).coarse
    half = explain(net.bfloat16(), x.bfloat16(), 1, METHOD, steps=10).coarse
    for got in (mixed, half):
        assert got.dtype == torch.float32
        for i in range(3):
            assert torch.corrcoef(torch.stack([got[i].flatten(), want[i].flatten()]))[0, 1] > 0.98


def test_checkpointed_and_in_place_networks_are_looked_back_through():
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net[6:](checkpoint(self.net[:6], x, use_reentrant=False))

    net, x = convnet(head="fc"), batch()
    want = explain(net, x, 1, METHOD, "5", steps=4).coarse
    assert_near(
        explain(Checkpointed(net).eval(), x, 1, METHOD, "net.5", steps=4).coarse, want, 1e-5
    )
    assert_near(
        explain(convnet(head="fc", inplace=True), x, 1, METHOD, "5", steps=4).coarse, want, 1e-5
    )


def test_a_network_that_does_not_look_at_its_pixels_is_told():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet(head="fc")

        def forward(self, x):
            return self.net(x.detach())

    with pytest.raises(SurgeryError, match="scores that depend on the pixels"):
        explain(Blind().eval(), batch(), 1, METHOD, "net.5", steps=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "1 or more; got steps=0"),
        ({"steps": True}, "got steps=True"),
        ({"lr": 0}, "above 0; got lr=0"),
        ({"lr": float("nan")}, "got lr=nan"),
        ({"form": "diff"}, "Near names: 'difference'"),
        ({"at_once": 0}, "got at_once=0"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(MethodError, match=message):
        explain(convnet(), batch(), 1, METHOD, **options)
