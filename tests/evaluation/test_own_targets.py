"""A question of one's own in `evaluate`: a function of the outputs in the place of classes."""

import json

import pytest
import torch
from torch import nn

import sightline
from sightline import Region, Similarity
from sightline.errors import ProtocolError, StoreError, TargetError

OPTIONS = {"progress": False, "views": 0}


def pictures():
    return torch.rand(3, 3, 10, 10, generator=torch.Generator().manual_seed(0))


def net(k=4):
    torch.manual_seed(0)
    body = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*body, nn.Linear(6, k)).eval()


def rank(outputs):
    """The expected rank of an ordinal network, whose logits say that it is above each threshold."""
    return outputs.sigmoid().sum(1)


class Ranked(nn.Module):
    """The same as a quantity that the model returns."""

    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, x):
        return rank(self.net(x)).unsqueeze(1)


def test_the_score_is_measured_as_the_quantity_that_it_is():
    x, metrics = pictures(), ["deletion", "insertion", "complexity", "sensitivity"]
    own = sightline.evaluate(net(), [x], "grad_cam", metrics, target=rank, **OPTIONS)
    other = sightline.evaluate(Ranked(), [x], "grad_cam", metrics, outputs="value", **OPTIONS)
    assert own.column("full_score") == pytest.approx(rank(net()(x)).tolist(), abs=1e-5)
    for name in metrics:
        for one, two in zip(own.column(name), other.column(name), strict=True):
            assert one == pytest.approx(two, abs=1e-5), name
    assert own.column("target") == [None] * 3
    assert own.column("target_name") == ["rank"] * 3


def test_a_region_is_measured_where_it_lay_in_the_picture_itself():
    torch.manual_seed(0)
    segmenter = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1)).eval()
    x = pictures()
    found = sightline.evaluate(segmenter, [x], "grad_cam", "deletion", target=Region(1), **OPTIONS)
    maps = segmenter(x).detach()
    there = maps.argmax(1) == 1
    wanted = [float(own[1][where].mean()) for own, where in zip(maps, there, strict=True)]
    assert found.column("full_score") == pytest.approx(wanted, abs=1e-5)
    vector = torch.rand(4, generator=torch.Generator().manual_seed(1))
    near = sightline.evaluate(
        net(), [x], "grad_cam", "insertion", target=Similarity(vector), **OPTIONS
    )
    cosine = torch.cosine_similarity(net()(x), vector[None])
    assert near.column("full_score") == pytest.approx(cosine.tolist(), abs=1e-5)


def test_what_needs_classes_is_refused_and_so_is_a_class():
    with pytest.raises(ProtocolError, match="average_drop is a share of the confidence"):
        sightline.evaluate(net(), [pictures()], "grad_cam", "average_drop", target=rank, **OPTIONS)
    for target in (3, "cat", [rank, rank]):
        with pytest.raises(TargetError, match="Expected a function of the outputs as the target"):
            sightline.evaluate(net(), [pictures()], "grad_cam", target=target, **OPTIONS)


def test_a_run_knows_its_question(tmp_path):
    asked = net(), [pictures()], "grad_cam", "deletion"
    sightline.evaluate(*asked, target=rank, out=tmp_path, **OPTIONS)
    assert set(json.loads((tmp_path / "run.json").read_text())["functions"]) == {"target"}
    assert len(sightline.evaluate(*asked, target=rank, out=tmp_path, **OPTIONS)) == 3
    with pytest.raises(StoreError, match="functions"):
        sightline.evaluate(*asked, target=lambda out: out[:, 0], out=tmp_path, **OPTIONS)
