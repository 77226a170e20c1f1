"""Pictures that the model itself stretches to another shape: the grid is read off what it sees."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sightline import explain
from sightline.surgery.layers.choose import layers


class Squares(nn.Module):
    """16 channels on 8 x 8 places: by its proportions 16 x 8 could be a grid of a tall picture."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1)
        )
        self.act, self.head = nn.ReLU(), nn.Linear(16, 2)

    def forward(self, x):
        return self.head(self.act(self.body(F.interpolate(x, (16, 16)))).mean((2, 3)))


def truth(net, x):
    """Grad-CAM at the last ReLU, written out."""
    maps = net.act(net.body(F.interpolate(x, (16, 16))))
    return torch.einsum("c,bchw->bhw", net.head.weight[1] / 64, maps).detach()


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (16, 48), (32, 32)])
@pytest.mark.parametrize("layer", [None, "act"])
def test_nothing_named_or_the_layer(size, layer):
    net, x = Squares().double().eval(), torch.rand(2, 3, *size, dtype=torch.double)
    e = explain(net, x, 1, "grad_cam", layer)
    assert e.layer == "act"
    assert e.maps.shape == (2, *size)
    torch.testing.assert_close(e.coarse, truth(net, x))
    assert [row.grid.kind for row in layers(net, x)] == ["channels first"] * 5


@pytest.mark.parametrize("size", [(64, 32), (32, 64)])
def test_every_bias_lies_where_the_layer_lies(size):
    """FullGrad's parts add up to the score only if each is read with its channels first."""
    net, x = Squares().double().eval(), torch.rand(1, 3, *size, dtype=torch.double)
    e = explain(net, x, 1, "full_grad")
    small = explain(net, F.interpolate(x, (16, 16)), 1, "full_grad")
    enlarged = F.interpolate(small.pixels.sum(1, keepdim=True).abs(), size)
    seen = torch.corrcoef(torch.stack([e.pixels.sum(1).abs().flatten(), enlarged.flatten()]))[0, 1]
    assert seen > 0.8


PADS = {
    "zeros": (nn.ZeroPad2d(1), 2),
    "mirrored": (nn.ReflectionPad2d(1), 2),
    "repeated": (nn.ReplicationPad2d(1), 2),
    "round": (nn.CircularPad2d(1), 2),
    "a signal's": (nn.ConstantPad1d(1, 0.5), 1),
    "a volume's": (nn.ConstantPad3d(1, 0.5), 3),
}


class SamePadding(nn.Module):
    """One of somebody's own."""

    def forward(self, x):
        return F.pad(x, (1, 1, 1, 1))


@pytest.mark.parametrize("name", [*PADS, "somebody's own"])
def test_what_only_pads_is_no_layer(name):
    pad, axes = PADS.get(name, (SamePadding(), 2))
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    mean = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]
    torch.manual_seed(0)
    down = [part for c in (1, 4) for part in (conv(c, 4, 3, 2, 1), nn.SiLU())]
    net = nn.Sequential(
        *down, pad, conv(4, 4, 5), nn.SiLU(), mean(1), nn.Flatten(), nn.Linear(4, 2)
    )
    e = explain(net.eval(), torch.rand(1, 1, *[16] * axes), 1, "grad_cam")
    assert (e.layer, e.coarse.shape) == ("3", (1, *[4] * axes))


class Conv2dSamePadding(nn.Conv2d):
    """A convolution whose name says how it pads, as EfficientNets have."""


def test_a_convolution_that_pads_is_one():
    net = nn.Sequential(
        Conv2dSamePadding(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    assert explain(net, torch.rand(1, 3, 8, 8), 1).layer == "0"
