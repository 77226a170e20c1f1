"""Maps that lie elsewhere are kept, counted and told, and left out of localisation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from helpers.nets import convnet
from sightline import evaluate, summarise
from sightline.protocol import Protocol


class Cropped(nn.Module):
    """Sees the right lower quarter of its picture, as large as that."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        quarter = x[:, :, x.shape[2] // 2 :, x.shape[3] // 2 :]
        return self.net(F.interpolate(quarter, x.shape[2:], mode="bilinear"))


def run(net, out):
    torch.manual_seed(0)
    batch = {
        "images": torch.rand(4, 3, 12, 10),
        "labels": torch.tensor([0, 1, 2, 3]),
        "boxes": [torch.tensor([[1.0, 1, 6, 6]])] * 4,
    }
    return evaluate(
        net,
        [batch],
        ["grad_cam", "occlusion"],
        "average_drop,energy_pointing_game",
        protocol=Protocol(explained="given"),
        out=out,
        progress=False,
    )


@pytest.mark.parametrize("cropped", [True, False])
def test_the_rows_stay_and_the_truth_is_not_held_against_them(cropped, tmp_path):
    net = Cropped(convnet()) if cropped else convnet()
    found = run(net.eval(), tmp_path)
    by_method = {
        name: [row for row in found.rows.to_pylist() if row["method"] == name]
        for name in ("grad_cam", "occlusion")
    }
    words = {row["status"] for row in by_method["grad_cam"]}
    if cropped:
        assert "place not confirmed" in words
    else:
        assert "ok" in words
    for row in by_method["grad_cam"]:
        assert row["average_drop"] is not None
        if row["status"] in ("ok", "place not confirmed"):
            assert (row["energy_pointing_game"] is None) == cropped
    held = [row for row in by_method["occlusion"] if row["status"] == "ok"]
    assert held
    assert all(row["energy_pointing_game"] is not None for row in held)
    told = [one for one in summarise(found).cautions if "left out" in str(one)]
    assert bool(told) == cropped
