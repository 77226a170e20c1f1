"""FullGrad: hand values, completeness to 1e-10, the whole way against hooks and loops, what is told
where it fails.
"""

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torch.utils.checkpoint import checkpoint

from helpers.cifar import IMAGENET, dog_and_cat
from helpers.closeness import assert_near, assert_relative
from helpers.data import shared
from helpers.nets import assert_same, batch, convnet, photograph
from reference.full_grad import full_grad as slowly
from reference.full_grad import parts as slow_parts
from sightline import explain
from sightline.errors import SurgeryError
from sightline.explanation.passes.bias_pass import bias_products
from sightline.methods.pixel import full_grad
from sightline.surgery import capture_pixels
from sightline.surgery.backward.biases import Biases

HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def taken_apart(net, x, klass=1):
    with Biases() as heard:
        trace = capture_pixels(net, x)
    scores = trace.outputs[:, klass]
    return scores.detach(), list(bias_products(trace, scores, heard.terms))


def assert_complete(net, x, klass=1, bar=1e-10):
    scores, found = taken_apart(net, x, klass)
    total = sum(one.flatten(1).sum(1) for one in found)
    assert scores.dtype == total.dtype == torch.float64
    assert_relative(total, scores, bar)
    assert len(found) > 2
    biases = total - found[0].flatten(1).sum(1)
    assert (biases.abs() > 1e-3 * scores.abs()).all(), (
        "a law that the input alone would fulfil shows nothing"
    )


def test_values_one_can_check_by_hand():
    """|1, -3| is (0, 1); the layer's |(5, 0), (0, -10)| has one scale, 10, for both channels: (0.5,
    0) and (0, 1).
    """
    products = [
        torch.tensor([[[1.0, -3.0]]]),
        torch.tensor([[[5.0, 0.0], [0.0, -10.0]]]),
        torch.full((1, 2, 2), 7.0),
    ]
    assert full_grad(products, lambda m: m).tolist() == [
        [[0.5, 2.0]]
    ]  # what is constant adds nothing


def test_a_network_of_one_number():
    """relu6(2 x + 1): at 1 the slope is 2, the parts 2 and 1; at 4 nothing comes back and 6 is the
    activation's own.
    """
    net = nn.Sequential(nn.Conv1d(1, 1, 1), nn.ReLU6(), nn.Flatten())
    with torch.no_grad():
        net[0].weight.fill_(2)
        net[0].bias.fill_(1)
    for x, want in ((1.0, [2, 1, 0]), (4.0, [0, 0, 6])):
        _, found = taken_apart(net.eval(), torch.tensor([[[x]]]), 0)
        assert [one.sum().item() for one in found] == want


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("inplace", [False, True])
def test_the_parts_add_up_to_the_score(axes, head, inplace):
    assert_complete(convnet(axes, head=head, inplace=inplace).double(), batch(axes).double())


@pytest.mark.parametrize(
    "act", [nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Tanh, nn.LeakyReLU, nn.PReLU, nn.Softplus]
)
def test_pointwise_activations_imply_what_is_missing(act):
    net = convnet(head="fc").double()
    net[2], net[5] = act().double(), act().double()
    assert_complete(net, 3 * batch().double())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv2", "squeezenet"])
def test_the_parts_add_up_on_trained_networks(name):
    if name == "mobilenetv2":
        net, x = timm.create_model("mobilenetv2_100", pad_type="same"), dog_and_cat(224, *HALF)
        weights = shared("imagenet-weights", "mobilenetv2_100_same.safetensors")
    else:
        net, x = torchvision.models.squeezenet1_1(), dog_and_cat(227, *IMAGENET)
        weights = shared("imagenet-weights", "squeezenet1_1.safetensors")
    net.load_state_dict(load_file(weights), strict=True)
    assert_complete(net.double().eval(), x, 243)
    e = explain(net.float(), x.float(), 243, "full_grad")
    assert e.provenance["notes"] == []  # in float32 within a thousandth
    assert e.status[0].word == "ok"


@pytest.mark.parametrize("axes", [1, 2])
def test_the_whole_way_is_that_of_hooks_and_loops(axes):
    net, x = convnet(axes, head="fc").double(), batch(axes, b=2).double()
    e = explain(net, x, [1, 4], "full_grad")
    for j, klass in enumerate((1, 4)):
        want = slow_parts(net, x, klass)
        _, got = taken_apart(net, x, klass)
        assert len(got) == len(want)
        for ours, theirs in zip(got, want, strict=True):
            if float(theirs.abs().max()) > 0:
                assert_near(ours, theirs, 1e-12)
        picture = slowly([one for one in want if one.ndim > 2], list(x.shape[2:]))
        assert_near(e.coarse[:, j], picture, 1e-10)
        for i in range(2):
            assert_near(e.maps[i, j], picture[i] / picture[i].max(), 1e-10)
    assert e.pixels.shape == (2, 2, 1, *x.shape[2:])
    assert (e.layer, e.method, bool((e.pixels >= 0).all())) == ("input", "full_grad", True)


def test_what_speaks_against_has_the_same_size():
    net, x = convnet(head="fc").double(), batch().double()
    against = explain(net, x, 1, "full_grad", counterfactual=True)
    assert_near(against.coarse, explain(net, x, 1, "full_grad").coarse, 1e-12)
    assert against.provenance["notes"] == [
        "full_grad shows sizes and not directions: for and against a target its map is the same"
    ]


class Normed(nn.Module):
    """Divides by what it saw, and adds what no operator knows of."""

    def __init__(self):
        super().__init__()
        self.body, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Linear(4, 3)
        self.place = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return self.head((self.norm(self.body(x)) + self.place).relu().mean((2, 3)))


def test_where_the_parts_do_not_add_up_by_how_much_is_told():
    torch.manual_seed(0)
    net, x = Normed().double().eval(), batch().double()
    scores, found = taken_apart(net, x)
    missed = ((scores - sum(one.flatten(1).sum(1) for one in found)) / scores).abs().max().item()
    assert missed > 0.01
    (note,) = explain(net, x, 1, "full_grad").provenance["notes"]
    assert (
        note == f"the parts of the picture and of the biases miss the score by {missed:.1%} of it"
    )


def test_tokens_are_read_on_their_grid_and_attention_is_told():
    torch.manual_seed(0)
    vit = timm.create_model("vit_tiny_patch16_224", depth=2, img_size=64).eval()
    e = explain(vit, torch.randn(2, 3, 64, 64), "top2", "full_grad")
    assert e.maps.shape == (2, 2, 64, 64)
    assert {one.word for row in e.status for one in row} == {"ok"}
    assert "miss the score" in e.provenance["notes"][0]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_model_is_as_before_in_any_mode(mode):
    net, x = convnet(head="fc").train(), batch()
    net[0].weight.requires_grad_(False)
    net[8].weight.grad = torch.ones_like(net[8].weight)
    want = explain(net, x, [0, 1], "full_grad").coarse
    with mode():
        before, kept = photograph(net), x.clone()
        e = explain(
            net, x.clone(), [0, 1], ["grad_cam", "full_grad", "gradient", "guided_grad_cam"]
        )
        assert_same(before, photograph(net))
        assert torch.equal(kept, x)
    assert list(e) == ["grad_cam", "full_grad", "gradient", "guided_grad_cam"]
    assert_near(e["full_grad"].coarse, want, 1e-6)


def test_checkpointed_networks_are_taken_apart_too():
    class Checkpointed(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net[6:](checkpoint(self.net[:6], x, use_reentrant=False))

    net, x = convnet(head="fc").double(), batch().double()
    net[2] = nn.ReLU6()
    assert_complete(Checkpointed(net).eval(), x)


def test_bfloat16_gives_the_same_picture():
    net, x = convnet(head="fc"), batch()
    want = explain(net, x, 1, "full_grad").coarse
    half = explain(net.bfloat16(), x.bfloat16(), 1, "full_grad").coarse
    assert half.dtype == torch.float32
    assert torch.corrcoef(torch.stack([half.flatten(), want.flatten()]))[0, 1] > 0.98


def test_a_network_that_does_not_look_at_its_pixels_is_told():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = convnet(head="fc")

        def forward(self, x):
            return self.net(x.detach())

    with pytest.raises(SurgeryError, match="scores that depend on the pixels"):
        explain(Blind().eval(), batch(), 1, "full_grad")
