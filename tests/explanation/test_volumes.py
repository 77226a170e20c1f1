"""Volumes cut into tokens: the tokens are read in the order that the network counts them in."""

import pytest
import torch

from helpers.volume_nets import ORDERS, SIZES, VolumeViT
from sightline import explain
from sightline.surgery.layers.choose import layers


def network(size, order="d h w", first=0, **options):
    return VolumeViT(*SIZES[size], ORDERS[order], first, **options).double().eval()


CASES = [
    *((size, "d h w", first) for size in SIZES for first in (0, 1)),
    *((size, order, 1) for size in ("2 x 8 x 8", "3 x 6 x 5") for order in list(ORDERS)[1:]),
    ("4 x 4 x 2", "h w d", 0),
    ("a cube", "w h d", 0),
    ("a clip", "d h w", 5),
]


def by_hand(net, x, layer):
    """Grad-CAM of class 1, written out: the layer's tokens, put on their places by the network."""
    held = []
    hook = net.get_submodule(layer).register_forward_hook(lambda _, __, out: held.append(out))
    score = net(x)[:, 1].sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, held[0])
    weights, maps = net.as_volume(gradient).mean((2, 3, 4)), net.as_volume(held[0])
    return torch.einsum("bc,bcdhw->bdhw", weights, maps).detach()


@pytest.mark.parametrize(("size", "order", "first"), CASES)
def test_the_layer_is_found_and_lies_where_it_should(size, order, first):
    net = network(size, order, first)
    x = net.volumes(2).double()
    e = explain(net, x, 1, "grad_cam")
    assert e.layer == ("blocks.1.norm1" if first else "norm")
    torch.testing.assert_close(e.coarse, by_hand(net, x, e.layer))
    place = e.provenance["layer"]["place"]
    assert (place["outcome"], place["share"]) == ("confirmed", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "order", "first"), CASES)
def test_a_layer_that_is_named(size, order, first):
    net = network(size, order, first)
    x = net.volumes(1).double()
    e = explain(net, x, 1, "grad_cam", layer="blocks.0")
    torch.testing.assert_close(e.coarse, by_hand(net, x, "blocks.0"))
    assert e.provenance["layer"]["place"]["outcome"] == "confirmed"


def test_patches_without_a_convolution():
    net = network("3 x 6 x 5", "h w d", 1, cut_by_hand=True)
    x = net.volumes(1).double()
    e = explain(net, x, 1, "grad_cam")
    assert e.coarse.shape == (1, 3, 6, 5)
    torch.testing.assert_close(e.coarse, by_hand(net, x, e.layer))


@pytest.mark.slow
def test_the_evidence_of_one_patch_lies_in_its_corner():
    """Only one patch is not zero, and the head reads its channel alone."""
    net = network("3 x 6 x 5", "h w d")
    x = torch.zeros(1, 1, 12, 24, 20).double()
    x[..., 8:12, 4:8, 16:20] = 1  # the patch 2, 1, 4
    with torch.no_grad():
        net.places.zero_(), net.patch.bias.zero_()
    e = explain(net, x, 1, "grad_cam", layer="blocks.0", counterfactual=False)
    far = (e.coarse[0] - e.coarse[0, 0, 0, 0]).abs()
    assert far.argmax() == (2 * 6 + 1) * 5 + 4


def test_every_layer_of_tokens_has_the_grid():
    net = network("3 x 6 x 5", "h w d", 1)
    rows = layers(net, net.volumes().double())
    assert {row.grid.size for row in rows} == {(3, 6, 5)}
    assert {row.grid.order for row in rows if row.grid.kind == "tokens"} == {(1, 2, 0)}


def test_how_it_was_read_is_told():
    net = network("3 x 6 x 5", "h w d", 1)
    e = explain(net, net.volumes().double(), 1)
    grid = e.provenance["layer"]["grid"]
    assert grid == {"kind": "tokens", "size": [3, 6, 5], "prefix": 1, "order": [1, 2, 0]}
