"""The rules on whole networks: by hand on a residual block, by count on architectures, against
another library.
"""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from helpers.backward import FIRST, look
from helpers.closeness import assert_near
from helpers.data import shared
from helpers.nets import batch, convnet
from sightline.surgery.pixel_trace import capture_pixels


class Basic(nn.Module):
    """As torchvision's residual blocks: one ReLU module used twice, in place, with an addition
    before the second.
    """

    def __init__(self, activation):
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b, self.fc = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Linear(3, 4),
        )
        self.double().eval()
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.act(self.a(x)))
        y += x
        return self.fc(self.act(y).mean((2, 3)))


def test_a_module_used_twice_by_hand():
    net, x = Basic(nn.ReLU(inplace=True)), batch(dtype=torch.float64)
    pixels, governed = capture_pixels(net, x).gradients(FIRST, "guided")
    assert governed == {"ReLU": 2}
    with torch.no_grad():
        inner = net.a(x)
        outer = net.b(inner.relu()) + x
        g = (net.fc.weight[1] / 120).reshape(1, 3, 1, 1).expand_as(x).relu() * (outer > 0)
        through = F.conv_transpose2d(g, net.b.weight, padding=1).relu() * (inner > 0)
        assert_near(pixels, g + F.conv_transpose2d(through, net.a.weight, padding=1), 1e-12)
    assert torch.equal(pixels, look(Basic(F.relu), x, "guided"))
    assert torch.equal(pixels, look(Basic(torch.relu_), x, "guided"))


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_captum_agrees_on_residual_blocks_that_use_one_relu_twice(rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    torch.manual_seed(0)
    net = torchvision.models.resnet18().double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    mine, governed = capture_pixels(net, x).gradients(FIRST, rule)
    assert governed == {"ReLU": 17}
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=1).detach()
    assert_near(mine, want, 1e-10)


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize("head", ["pool", "fc"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_captum_agrees_on_chains(axes, head, rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    net, x = convnet(axes, head=head).double(), batch(axes, dtype=torch.float64)
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=1).detach()
    assert_near(look(net, x, rule), want, 1e-12)


def transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(
        32, 8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32
    )


@pytest.mark.parametrize(
    ("build", "governed"),
    [
        (torchvision.models.squeezenet1_1, {"ReLU": 26}),
        (torchvision.models.mobilenet_v2, {"ReLU6": 35}),
        (torchvision.models.mobilenet_v3_small, {"Hardswish": 19, "ReLU": 14}),
        (torchvision.models.efficientnet_b0, {"SiLU": 49}),
        (partial(torchvision.models.googlenet, init_weights=False), {"ReLU": 57}),
        (transformer, {"GELU": 3}),
    ],
    ids=[
        "squeezenet1_1",
        "mobilenet_v2",
        "mobilenet_v3_small",
        "efficientnet_b0",
        "googlenet",
        "transformer",
    ],
)
def test_architectures_are_counted_in_full(build, governed):
    """The numbers are those of their definitions: convolutions, blocks, squeeze layers."""
    torch.manual_seed(0)
    trace = capture_pixels(build().eval(), torch.randn(1, 3, 32, 32))
    pixels, counted = trace.gradients(FIRST, "guided")
    assert counted == governed
    assert pixels.isfinite().all()


def squeezenet() -> nn.Module:
    net = torchvision.models.squeezenet1_1()
    net.load_state_dict(load_file(shared("imagenet-weights", "squeezenet1_1.safetensors")))
    return net.eval()


def dog_and_cat() -> Tensor:
    picture = Image.open(shared("dog-and-cat", "both.png")).convert("RGB").resize((227, 227))
    pixels = (
        torch.tensor(list(picture.tobytes()), dtype=torch.float32)
        .reshape(227, 227, 3)
        .permute(2, 0, 1)
        / 255
    )
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((pixels - mean[:, None, None]) / std[:, None, None])[None]


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_real_weights_agree_with_captum(rule):
    attr = pytest.importorskip("captum.attr")
    theirs = {"guided": attr.GuidedBackprop, "deconvnet": attr.Deconvolution}[rule]
    net, x = squeezenet(), dog_and_cat()
    k = int(net(x).argmax())
    mine = look(net, x, rule, lambda outputs: outputs[:, k])
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        want = theirs(net).attribute(x.clone().requires_grad_(), target=k).detach()
    assert_near(mine, want, 1e-5)


def test_guided_pixels_of_a_photograph_lie_on_edges():
    """Where the photograph is flat, little comes back: far less than in the derivative's share."""
    net, x = squeezenet(), dog_and_cat()
    k = int(net(x).argmax())
    detail = sum((x - x.roll(1, axis)).abs().amax(1) for axis in (2, 3))[0]
    flat = detail < detail.median()

    def share(rule):
        strength = look(net, x, rule, lambda outputs: outputs[:, k]).abs().amax(1)[0]
        return float(strength[flat].sum() / strength.sum())

    assert share("guided") < 0.8 * share(None)
