"""Pains with maps: the rows of docs/troubleshooting.md about blank, broken, doubtful and
incomparable pictures.
"""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from helpers.closeness import assert_near
from helpers.nets import batch, convnet
from sightline import METHODS, Preprocess, explain, explanation_map
from sightline.errors import ModelError, TargetError


def against():
    """A network in which every feature speaks against class 0, and none matters to class 1."""
    net = convnet()
    with torch.no_grad():
        net[8].weight[0], net[8].weight[1] = -1, 0
    return net


def test_a_blank_map_says_why():
    e, cut_off = (explain(against(), batch(), k, "grad_cam") for k in (0, 1))
    assert [status.word for status in e.status] == ["no positive evidence"] * 3
    assert [status.word for status in cut_off.status] == ["no gradient"] * 3
    assert (e.maps == 0).all()
    assert (e.coarse < 0).any()
    assert "counterfactual" in e.status[0].message
    assert explain(against(), batch(), 0, "grad_cam", counterfactual=True).maps.max() == 1


def test_nan_maps():
    net = convnet()
    with torch.no_grad():
        net[3].weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"'3.weight'.*NaN"):
        explain(net, batch(), 1)
    broken = batch()
    broken[1, 0, 0, 0] = torch.inf
    e = explain(convnet(), broken, 1)
    assert [status.word for status in e.status] == ["ok", "non-finite", "ok"]
    assert e.maps.isfinite().all()  # a picture of nothing, not of nan
    one = explain(convnet(), broken[2:], 1)
    assert_near(e.maps[2:], one.maps, 1e-6)  # and nobody else is touched


@pytest.mark.parametrize("head", ["pool", "dense"])
def test_which_grad_cam_pp_is_this(head):
    net, x = convnet(head=head).double(), batch().double()
    for alpha, formula in {
        "paper": lambda g, total, acts: 1 / (2 + g * total),
        "authors": lambda g, total, acts: _normalised(1 / (2 + g * total), g),
    }.items():
        e = explain(net, x, 1, layer="5", alpha=alpha)
        acts = net[:6](x).detach().requires_grad_()
        (g,) = torch.autograd.grad(net[6:](acts)[:, 1].sum(), acts)
        weights = (formula(g, acts.sum((2, 3), keepdim=True), acts) * g.relu()).sum(
            (2, 3), keepdim=True
        )
        assert_near(e.coarse, (weights * acts).sum(1).detach(), 1e-6)
        assert e.variant["alpha"] == alpha
        assert e.provenance["variant"]["alpha"] == alpha


def _normalised(alpha, g):
    alpha = alpha * (g > 0)
    total = alpha.sum((2, 3), keepdim=True)
    return alpha / torch.where(total > 0, total, 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_images_one_by_one(method):
    few = (
        {"steps": 8} if method == "opti_cam" else {}
    )  # each step amplifies the rounding of the one before
    together = explain(convnet(), batch(), [1, 3], method, **few)
    for i in range(3):
        alone = explain(convnet(), batch()[i : i + 1], [1, 3], method, **few)
        assert_near(together.coarse[i : i + 1], alone.coarse, 1e-5)
        assert alone.maps.amax() == 1
    with pytest.raises(TargetError, match="one class for each of the 3 images"):
        explain(convnet(), batch(), torch.tensor([1, 2]))


def test_ten_classes_cost_one_forward():
    net, runs = convnet(), []
    net.register_forward_pre_hook(lambda *_: runs.append(1))
    explain(net, batch(), 1, "grad_cam", ["2", "5"])  # the first call proves the layers' places
    del runs[:]
    several = explain(net, batch(), [0, 1, 2, 3, 4], ["grad_cam", "grad_cam_pp"], ["2", "5"])
    assert len(runs) == 1
    for k in range(5):
        assert_near(
            several["grad_cam_pp", "5"].coarse[:, k], explain(convnet(), batch(), k).coarse, 1e-5
        )


def test_a_single_logit_a_sigmoid_and_several_labels():
    net = nn.Sequential(*convnet()[:8], nn.Linear(8, 1))
    against, towards = (explain(net, batch(), k, "grad_cam") for k in (0, 1))
    assert_near(against.coarse, -towards.coarse, 1e-6)
    assert_near(against.probabilities + towards.probabilities, torch.ones(3), 1e-6)
    labels = explain(convnet(), batch(), [0, 4])
    assert labels.maps.shape == (3, 2, 12, 10)


def test_raw_values_to_compare_images():
    e = explain(convnet(), batch(), 1, "grad_cam")
    assert e.coarse.min() < 0 < e.coarse.max() or (e.coarse >= 0).all()
    twice = convnet()
    with torch.no_grad():
        twice[8].weight *= 2
    other = explain(twice, batch(), 1, "grad_cam")
    assert_near(other.coarse, 2 * e.coarse, 1e-5)  # the raw map keeps its scale
    assert_near(other.maps, e.maps, 1e-5)  # the picture does not


def test_colours_are_rgb_and_the_range_is_known():
    red = np.zeros((12, 10, 3), dtype=np.uint8)
    red[..., 0] = 255
    plain = Preprocess(resize=None, crop=None, mean=(0.0,) * 3, std=(1.0,) * 3)
    found = [
        explain(convnet(), one, 1, preprocess=plain)
        for one in (red, Image.fromarray(red), (red / 255).astype(np.float32))
    ]
    for e in found:
        assert_near(e.images[0].amax((1, 2)), torch.tensor([1.0, 0.0, 0.0]), 1e-6)
        assert torch.equal(e.maps, found[0].maps)
    seen = explanation_map(found[0].images, found[0].maps)
    assert seen[:, 1:].abs().max() == 0
    assert seen[:, 0].max() == 1


def test_the_same_map_each_time():
    net = nn.Sequential(*convnet()[:6], nn.Dropout2d(0.5), *convnet()[6:]).train()
    torch.manual_seed(0)
    one = explain(net, batch(), 1)
    torch.manual_seed(1)
    assert torch.equal(explain(net, batch(), 1).maps, one.maps)
    assert net.training
    assert net[6].training
