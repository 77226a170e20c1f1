"""Several maps as one."""

import json

import pytest
import torch

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from reference.fuse import fuse as slowly
from sightline import explain
from sightline.errors import MethodError
from sightline.explanation.fuse import HOWS, fuse


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_fused_maps_are_the_slow_twins(how, axes):
    parts = explain(convnet(axes), batch(axes), 1, layer=["2", "5"])
    e = fuse(parts, how)
    want = slowly([one.maps for one in parts.values()], how)
    assert_near(e.maps.double(), want, 1e-6)
    assert e.maps.flatten(1).amax(1).tolist() == [1, 1, 1]
    assert (e.layer, e.variant["fused"]) == (f"{how} of 2, 5", how)
    assert [one.word for one in e.status] == ["ok"] * 3
    assert [part["layer"]["name"] for part in json.loads(e.as_json())["fused"]["parts"]] == [
        "2",
        "5",
    ]


def test_several_targets_stay_apart():
    parts = explain(convnet(), batch(), [0, 3], layer=["2", "5"])
    e = fuse(parts.values())
    for j, k in enumerate((0, 3)):
        alone = fuse(explain(convnet(), batch(), k, layer=["2", "5"]))
        assert_near(e.maps[:, j], alone.maps, 1e-6)
    assert len(e.status) == 3
    assert len(e.status[0]) == 2
    assert e[1].maps.shape == (1, 2, 12, 10)


def test_a_product_marks_no_more_than_each_and_a_maximum_no_less():
    parts = list(explain(convnet(), batch(), 1, ["grad_cam_pp", "grad_cam"]).values())
    least = torch.minimum(parts[0].maps, parts[1].maps)
    assert (fuse(parts, "product").coarse <= least).all()
    assert (fuse(parts, "max").coarse >= parts[0].maps).all()
    assert fuse(parts).method == "product of grad_cam_pp, grad_cam"


def test_a_map_of_zeros_ends_a_product_and_is_named():
    net = convnet()
    with torch.no_grad():
        net[8].weight[0] = -1  # everything speaks against class 0
    parts = explain(net, batch(), 0, ["grad_cam"], ["2", "5"])
    e = fuse(parts)
    assert (e.maps == 0).all()
    assert all(
        one.word == "no positive evidence" and "'5' (grad_cam)" in one.message for one in e.status
    )
    assert [one.word for one in fuse(parts, "max").status] == ["ok"] * 3


@pytest.mark.parametrize(
    ("parts", "how", "message"),
    [
        (lambda: [], "product", "at least two explanations to fuse; came 0"),
        (lambda: [explain(convnet(), batch(), 1)], "product", "came 1. Ask for several layers"),
        (
            lambda: [explain(convnet(), batch(), k) for k in (0, 1)],
            "product",
            "same images and targets",
        ),
        (
            lambda: [explain(convnet(), batch(b=b), 1) for b in (2, 3)],
            "mean",
            "same images and targets",
        ),
        (
            lambda: [explain(convnet(), batch(), 1)] * 2,
            "products",
            "came 'products'. Near names: 'product'",
        ),
    ],
)
def test_what_cannot_be_fused_is_told(parts, how, message):
    with pytest.raises(MethodError, match=message):
        fuse(parts(), how)
