"""Smooth Grad-CAM++: hand values, the whole way against autograd on noisy pictures, the noise
itself, the policy.
"""

import gc
import weakref

import pytest
import torch
from torch import nn

from helpers.closeness import assert_near, assert_relative
from helpers.nets import Notes, batch, convnet
from reference.combine import combine
from reference.smooth_grad_cam_pp import noisy_pictures
from reference.smooth_grad_cam_pp import smooth_grad_cam_pp as slowly
from sightline import explain
from sightline.errors import MethodError
from sightline.methods import grad_cam_pp, smooth_grad_cam_pp

METHOD = "smooth_grad_cam_pp"


def handed(*gradients):
    return lambda **_: iter(
        torch.tensor(gradients, dtype=torch.float64).reshape(len(gradients), 1, 1, -1)
    )


def autograd_gradients(net, x, klass, samples, std, seed=0):
    """At layer 5 of `convnet`, one noisy picture after another, float64."""
    found = []
    for noisy in noisy_pictures(x, samples, std, seed):
        activations = net[:6](noisy).detach().requires_grad_()
        found.append(torch.autograd.grad(net[6:](activations)[:, klass].sum(), activations)[0])
    return found


def test_values_one_can_check_by_hand():
    """Gradients 1 and 3 at the first place: means 2, 5, 14; -3 and 1 at the second: never positive
    in the mean.
    """
    a = torch.tensor([[[2.0, 3.0]]]).double()
    noisy = handed([1.0, -3.0], [3.0, 1.0])
    assert smooth_grad_cam_pp(a, noisy).item() == pytest.approx(2 * 5 / (2 * 5 + 14 * 5), rel=1e-15)
    assert smooth_grad_cam_pp(a, noisy, form="paper").item() == pytest.approx(
        2 * 2 / (2 * 5 + 14 * 5), rel=1e-15
    )


@pytest.mark.parametrize("form", ["meant", "paper"])
def test_where_the_denominator_would_be_small_it_is_the_second_mean_and_that_is_counted(form):
    """1, 1 and -1.5: the mean is positive, the third power's is not: 1/6, 4.25/3, -1.375/3."""
    told = {}
    a = torch.tensor([[[40.0, 0.0]]]).double()
    noisy = handed([1.0, 0.0], [1.0, 0.0], [-1.5, 0.0])
    weight = smooth_grad_cam_pp(
        a, noisy, form=form, tally=lambda word, places: told.update({word: places.tolist()})
    )
    assert told == {"clamped": [[[True, False]]]}
    first, second = 1 / 6, 4.25 / 3
    assert weight.item() == pytest.approx(
        first if form == "meant" else first**2 / second, rel=1e-14
    )
    assert_relative(slowly(a, noisy, form=form), weight, 1e-14)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("form", ["meant", "paper"])
def test_the_whole_way_is_that_of_autograd_on_noisy_pictures(form, axes):
    net, x = convnet(axes, head="fc").double(), batch(axes, b=2).double()
    own = net[:6](x).detach()
    e = explain(net, x, [1, 4], METHOD, samples=3, std=0.2, seed=5, form=form)
    for j, klass in enumerate((1, 4)):
        gradients = autograd_gradients(net, x, klass, 3, 0.2, seed=5)
        weights = slowly(own, lambda gradients=gradients, **_: gradients, form=form)
        assert_near(e.coarse[:, j], combine(weights, own), 1e-9)
    assert e.variant == {"samples": 3, "std": 0.2, "seed": 5, "form": form}


def test_against_the_class_every_gradient_is_negated():
    net, x = convnet(head="fc").double(), batch(b=2).double()
    own = net[:6](x).detach()
    against = explain(net, x, 1, METHOD, counterfactual=True, samples=3)
    negated = [-one for one in autograd_gradients(net, x, 1, 3, 0.1)]
    assert_near(against.coarse, combine(slowly(own, lambda **_: negated), own), 1e-9)


@pytest.mark.parametrize("head", ["fc", "pool"])
def test_one_sample_without_noise_is_grad_cam_pp(head):
    net, x = convnet(head=head).double(), batch().double()
    for options in ({"samples": 1, "std": 0.0}, {"samples": 4, "std": 0}):
        e = explain(net, x, [0, 2], ["grad_cam_pp", METHOD], **options)
        assert_near(e[METHOD].coarse, e["grad_cam_pp"].coarse, 1e-12)


def test_on_a_pooled_linear_head_noise_changes_nothing():
    """There the gradient is the head's weight, whatever the picture."""
    net, x = convnet().double(), batch().double()
    e = explain(net, x, 1, ["grad_cam_pp", METHOD], std=3.0)
    assert_near(e[METHOD].coarse, e["grad_cam_pp"].coarse, 1e-12)


def test_as_printed_the_weight_has_no_unit():
    """All gradients a thousand times as large, all activations a thousandth: the same weights, not
    as many times.
    """
    a, g = torch.rand(1, 3, 4).double(), torch.rand(2, 1, 3, 4).double()
    weights = {
        form: smooth_grad_cam_pp(a, lambda **_: iter(g), form=form) for form in ("meant", "paper")
    }
    steep = {
        form: smooth_grad_cam_pp(a / 1e3, lambda **_: iter(1e3 * g), form=form)
        for form in ("meant", "paper")
    }
    assert_relative(steep["paper"], weights["paper"], 1e-12)
    assert_relative(steep["meant"], 1e3 * weights["meant"], 1e-12)


def test_noise_is_the_seed_s_a_share_of_each_picture_s_range_and_touches_no_generator():
    net, x = convnet(head="fc").double(), batch().double()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = explain(net, x, 1, METHOD, samples=2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one.coarse, explain(net, x, 1, METHOD, samples=2).coarse)
    assert not torch.allclose(
        one.coarse, explain(net, x, 1, METHOD, samples=2, seed=1).coarse, rtol=1e-3
    )
    assert_near(explain(net, x[1:2], 1, METHOD, samples=2).coarse, one.coarse[1:2], 1e-9)


class Keeps(nn.Module):
    """Knows which pictures it saw, and which of them are still alive."""

    def __init__(self, net):
        super().__init__()
        self.net, self.seen, self.alive, self.most = net, Notes(), weakref.WeakSet(), Notes()

    def forward(self, x):
        gc.collect()
        self.seen.append(x.detach().clone())
        hidden = self.net[:6](x)
        self.alive.add(hidden)
        self.most.append(len(self.alive))
        return self.net[6:](hidden)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_collections")
def test_the_model_sees_the_pictures_the_docstring_says():
    net, x = Keeps(convnet(head="fc").double()).eval(), 100 * batch(b=2).double()
    x[1] /= 1000
    explain(net, x, 1, METHOD, "net.5", samples=2, std=0.2)
    assert_near(torch.stack(net.seen[-2:]), torch.stack(noisy_pictures(x, 2, 0.2)), 1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_collections")
def test_memory_does_not_grow_with_the_samples():
    held = []
    for samples in (2, 12):
        net = Keeps(convnet(head="fc")).eval()
        explain(net, batch(b=2), [1, 2], METHOD, "net.5", samples=samples)
        assert len(net.seen) >= samples
        held.append(max(net.most))
    assert held[0] == held[1]


def test_a_layer_that_does_not_matter_is_told():
    class Deaf(nn.Module):
        def __init__(self):
            super().__init__()
            self.heard, self.ignored = convnet(head="fc"), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.heard(x) + 0 * self.ignored(x.detach()).mean()

    e = explain(Deaf().eval(), batch(), 1, METHOD, "ignored", samples=2)
    assert {one.word for one in e.status} == {"no gradient"}


def test_other_inputs_go_along_and_half_precision_stays():
    class Louder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.dtypes = convnet(head="fc"), Notes()

        def forward(self, x, loudness):
            self.dtypes.append(x.dtype)
            return self.net(x) * loudness[:, None]

    net, x, loudness = Louder().eval(), batch(b=2), torch.tensor([0.5, 2.0])
    e = explain(net, {"x": x, "loudness": loudness}, 1, METHOD, "net.5", samples=3)
    own = net.double().net[:6](x.double()).detach()
    gradients = [
        one * loudness.view(2, 1, 1, 1) for one in autograd_gradients(net.net, x, 1, 3, 0.1)
    ]
    assert_near(e.coarse, combine(slowly(own, lambda **_: gradients), own), 1e-4)
    net.bfloat16().dtypes.clear()
    half = explain(
        net, {"x": x.bfloat16(), "loudness": loudness.bfloat16()}, 1, METHOD, "net.5", samples=3
    )
    assert {*net.dtypes} == {torch.bfloat16}
    assert half.coarse.dtype == torch.float32
    assert (
        torch.corrcoef(torch.stack([half.coarse.flatten().double(), e.coarse.flatten().double()]))[
            0, 1
        ]
        > 0.98
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "1 or more; got samples=0"),
        ({"samples": True}, "got samples=True"),
        ({"std": -0.1}, "0 or more, as a share of the picture's range; got std=-0.1"),
        ({"std": float("nan")}, "got std=nan"),
        ({"std": float("inf")}, "got std=inf"),
        ({"form": "papers"}, "Near names: 'paper'"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(MethodError, match=message):
        explain(convnet(), batch(), 1, METHOD, **options)


def test_grad_cam_pp_s_policy_is_the_same_one():
    """Where the channel's sum is negative both let the denominator not below 1."""
    g = torch.tensor([[[2.0, 0.5]]]).double()
    for total in (-0.9, -3.0, 2.0):
        a = torch.tensor([[[total, 0.0]]]).double()
        assert_relative(smooth_grad_cam_pp(a, lambda **_: iter([g])), grad_cam_pp(a, g), 1e-14)
