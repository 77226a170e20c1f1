"""What holds for `explain` with every method, on signals, pictures and clips."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import sightline
from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from helpers.tail_nets import bent, class_gradients
from reference.smooth_grad_cam_pp import noisy_pictures
from sightline import METHODS
from sightline.maps.combine import combine
from sightline.maps.upsample import image_map
from sightline.supply import defaults, supply

PIXELS = [
    "gradient",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "guided_grad_cam_pp",
    "guided_layer_cam",
]
AXES = [1, 2, 3]

every_method = pytest.mark.parametrize("method", [*METHODS, *PIXELS])
every_rank = pytest.mark.parametrize("axes", AXES)
every_head = pytest.mark.parametrize("head", ["pool", "fc"])


STEPS = 8
"""Of Opti-CAM: each step is the law's whole matter, and amplifies the rounding of the one before.
"""


def explain(net, x, target, method, **options):
    """As a user would, but for Opti-CAM's hundred steps."""
    return sightline.explain(
        net, x, target, method, **options, **({"steps": STEPS} if "opti_cam" in method else {})
    )


def made(axes, method, head="fc", dtype=torch.float64, b=3):
    """A network with random weights and inputs for it; `cam` gets the pooled head that it needs."""
    net = convnet(axes, head="pool" if method == "cam" else head)
    return net.to(dtype), batch(axes, b=b).to(dtype)


def maps_of(*explanations):
    """Maps, signed maps and scores, each joined along the images."""
    return [
        torch.cat([getattr(e, name) for e in explanations]) for name in ("maps", "coarse", "scores")
    ]


def assert_all_near(got, want, bar=1e-9):
    for mine, other in zip(got, want, strict=True):
        assert_near(mine, other, bar)


def through(maps, size, change):
    """Masks `[b, 1, *s]` of the picture's size, by PyTorch's own interpolation."""
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    large = functional.interpolate(maps.unsqueeze(1), size, mode=mode, align_corners=False)
    low, high = large.flatten(1).amin(1), large.flatten(1).amax(1)
    shape = (-1, *[1] * (large.ndim - 1))
    masks = (large - low.view(shape)) / (high - low).view(shape)
    return masks if change is None else change(masks.squeeze(1)[None])[0].unsqueeze(1)


def by_hand(net, x, classes, method, sign=1.0):
    """The signed map of layer 5 without `explain`: the network cut in two, a method, `combine`."""
    activations = net[:6](x).detach()
    tail = net[6:]
    with torch.no_grad():
        logits = tail(activations)
    gradients = sign * class_gradients(tail, activations)
    explained, rows = torch.tensor(classes), torch.arange(len(x))

    def asked(part, each):
        with torch.no_grad():
            return sign * torch.stack([part(one)[rows, explained] for one in each])

    def look_back(maps, at_once=16):
        with torch.enable_grad():
            own = maps.detach().clone().requires_grad_()
            scores = sign * net(x * through(own, x.shape[2:], None))[rows, explained]
            return scores.detach(), torch.autograd.grad(scores.sum(), own)[0]

    material = {
        "activations": activations,
        "gradients": gradients[explained, rows],
        "class_gradients": gradients,
        "probabilities": logits.softmax(1),
        "explained": explained,
        "scores": sign * logits[rows, explained],
        "head": sign * net[-1].weight.detach()[explained, : activations.shape[1]],
        "second_order": lambda utility: tuple(
            sign * one for one in bent(tail, activations, classes, utility)
        ),
        "rescore": lambda shares: asked(tail, [activations * share for share in shares]),
        "look": lambda maps, change=None, probability=False, at_once=16: asked(
            net, [x * through(one, x.shape[2:], change) for one in maps]
        ),
        "look_back": look_back,
        "noisy_gradients": lambda samples, std, seed: (
            sign * class_gradients(tail, net[: -len(tail)](one.to(x)).detach())[explained, rows]
            for one in noisy_pictures(x, samples, std, seed)
        ),
    }
    few = {"steps": STEPS} if method == "opti_cam" else {}
    weights = supply(
        METHODS[method],
        {word: lambda value=value: value for word, value in material.items()},
        **few,
    )
    return combine(weights, activations)


@every_head
@every_rank
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["for", "against"])
@pytest.mark.parametrize("method", METHODS)
def test_the_map_is_the_one_made_by_hand_and_the_counterfactual_that_of_negated_gradients(
    method, axes, head, sign
):
    net, x = made(axes, method, head)
    e = explain(net, x, torch.tensor([1, 4, 2]), method, counterfactual=sign < 0)
    want = by_hand(net, x, [1, 4, 2], method, sign)
    assert_near(e.coarse, want, 1e-9)
    assert torch.equal(e.maps, image_map(e.coarse, x.shape[2:]))
    assert (e.layer, e.method) == ("5", method)
    assert torch.equal(e.scores, net(x).detach()[[0, 1, 2], [1, 4, 2]])
    usual = {word: value for word, value in defaults(METHODS[method]).items() if word != "tally"}
    usual |= {"steps": STEPS} if method == "opti_cam" else {}
    assert e.variant == usual | ({"counterfactual": True} if sign < 0 else {})


@every_rank
@every_method
def test_a_batch_is_its_images_one_by_one(method, axes):
    net, x = made(axes, method)
    whole = explain(net, x, 1, method)
    assert whole.maps.shape == (3, *x.shape[2:])
    assert_all_near(maps_of(whole), maps_of(*[explain(net, one[None], 1, method) for one in x]))
    if method in PIXELS:
        assert_near(
            whole.pixels, torch.cat([explain(net, one[None], 1, method).pixels for one in x]), 1e-9
        )


@every_rank
@every_method
def test_several_targets_are_one_by_one(method, axes):
    net, x = made(axes, method)
    together = explain(net, x, [3, 0, 1], method)
    assert together.maps.shape == (3, 3, *x.shape[2:])
    for j, target in enumerate([3, 0, 1]):
        alone = explain(net, x, target, method)
        assert_near(together.maps[:, j], alone.maps, 1e-9)
        assert_near(together.coarse[:, j], alone.coarse, 1e-9)
        assert torch.equal(together.scores[:, j], alone.scores)
        assert torch.equal(together.probabilities[:, j], alone.probabilities)
        assert [row[j] for row in together.targets] == alone.targets
        assert [row[j] for row in together.status] == alone.status
        if method in PIXELS:
            assert_near(together.pixels[:, j], alone.pixels, 1e-9)


@pytest.mark.parametrize(
    "method", [name for name in METHODS if name != "cam"] + ["guided_grad_cam"]
)
def test_several_layers_are_each_alone(method):
    net, x = made(2, method)
    together = explain(net, x, [1, 2], method, layer=["5", "2", "6"])
    assert list(together) == ["5", "2", "6"]
    for layer, e in together.items():
        alone = explain(net, x, [1, 2], method, layer=layer)
        assert_all_near(maps_of(e), maps_of(alone))
        assert (e.layer, e.status) == (layer, alone.status)


def test_several_methods_are_each_alone():
    net, x = made(2, "cam")
    together = explain(net, x, [1, 2], [*METHODS, *PIXELS])
    assert list(together) == [*METHODS, *PIXELS]
    for method, e in together.items():
        few = (
            {"steps": STEPS} if method == "is_cam" else {}
        )  # an option of that name, which all get
        alone = explain(net, x, [1, 2], method, **few)
        assert_all_near(maps_of(e), maps_of(alone))
        assert (e.method, e.status) == (method, alone.status)


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
}


@every_rank
@every_method
def test_modes_flags_and_frozen_weights_do_not_matter(method, axes):
    net, x = made(axes, method)
    want = maps_of(explain(net, x, [1, 2], method))
    for mode in MODES.values():
        with mode():
            got = maps_of(explain(net, x.clone(), [1, 2], method))
        assert_all_near(got, want, 0)
    net.requires_grad_(False)
    assert_all_near(maps_of(explain(net, x, [1, 2], method)), want, 0)
    net.train()
    assert_all_near(maps_of(explain(net, x, [1, 2], method)), want, 0)


def correlations(got, want):
    return [
        float(torch.corrcoef(torch.stack([one.flatten().double(), other.flatten().double()]))[0, 1])
        for one, other in zip(got.flatten(0, 1), want.flatten(0, 1), strict=True)
    ]


def half_of(net, x, how):
    """The network and inputs in half precision, or in autocast's hands."""
    if how == "autocast":
        return net, x, torch.autocast("cpu", dtype=torch.bfloat16)
    return copy.deepcopy(net).to(how), x.to(how), torch.no_grad()


@every_rank
@every_method
@pytest.mark.parametrize("how", [torch.float16, torch.bfloat16, "autocast"], ids=str)
def test_half_precision_gives_nearly_the_same_maps_in_float32(method, axes, how):
    net, x = made(axes, method, dtype=torch.float32, b=2)
    exact = explain(net, x, [1, 2], method)
    shown = (
        "coarse" if method in ("ablation_cam", "shapley_cam") else "maps"
    )  # one of their pictures is blank
    values = getattr(exact, shown).flatten(2)
    assert (values.std(2) / values.abs().amax(2)).min() > 0.05, "nothing to correlate"
    mine, inputs, around = half_of(net, x, how)
    with around:
        e = explain(mine, inputs, [1, 2], method)
    assert e.maps.dtype == e.coarse.dtype == torch.float32
    # Rectifying what comes back, layer after layer, turns rounding near zero into missing pixels.
    assert min(correlations(getattr(e, shown).flatten(2), values)) >= (
        0.99 if method in METHODS else 0.95
    )


@pytest.mark.parametrize("method", ["gradient", "guided_backprop", "deconvnet"])
def test_pixels_are_the_derivative_under_each_rule(method):
    """By hand: the rules as functions with a backward of their own, in the place of ReLU."""

    class Ruled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.relu()

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            gate = {
                "gradient": x > 0,
                "guided_backprop": (x > 0) & (gradient > 0),
                "deconvnet": gradient > 0,
            }[method]
            return gradient * gate

    class ByHand(nn.Module):
        def forward(self, x):
            return Ruled.apply(x)

    net, x = made(2, method)
    swapped = nn.Sequential(
        *[ByHand() if isinstance(part, nn.ReLU) else part for part in net]
    ).eval()
    leaf = x.clone().requires_grad_()
    (want,) = torch.autograd.grad(swapped(leaf)[:, 1].sum(), leaf)
    e = explain(net, x, 1, method)
    assert_near(e.pixels, want, 1e-9)
    assert_near(e.coarse, want.sum(1), 1e-9)
    magnitude = want.abs().amax(1)
    assert_near(e.maps, magnitude / magnitude.amax((1, 2), keepdim=True), 1e-9)
    assert e.layer == "input"


@every_rank
def test_a_guided_product_is_guided_backpropagation_times_the_map(axes):
    net, x = made(axes, "grad_cam")
    found = explain(net, x, [1, 2], ["guided_grad_cam_pp", "guided_backprop", "grad_cam_pp"])
    assert list(found) == ["guided_grad_cam_pp", "guided_backprop", "grad_cam_pp"]
    want = found["guided_backprop"].pixels * found["grad_cam_pp"].maps.unsqueeze(2)
    assert torch.equal(found["guided_grad_cam_pp"].pixels, want)
    assert found["guided_grad_cam_pp"].layer == "5"
