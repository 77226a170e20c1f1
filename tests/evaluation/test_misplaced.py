"""Maps that lie elsewhere are kept, counted and told, and left out of localisation."""

import pytest
import torch
from torch import nn

from helpers.nets import convnet
from sightline import evaluate, summarise
from sightline.protocol import Protocol


class Mirrored(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x.flip(-1))


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


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_rows_stay_and_the_truth_is_not_held_against_them(mirrored, tmp_path):
    net = Mirrored(convnet()) if mirrored else convnet()
    found = run(net.eval(), tmp_path)
    by_method = {
        name: [row for row in found.rows.to_pylist() if row["method"] == name]
        for name in ("grad_cam", "occlusion")
    }
    words = {row["status"] for row in by_method["grad_cam"]}
    if mirrored:
        assert "place not confirmed" in words
    else:
        assert "ok" in words
    for row in by_method["grad_cam"]:
        assert row["average_drop"] is not None
        misplaced = row["status"] == "place not confirmed"
        assert (row["energy_pointing_game"] is None) == misplaced
    assert all(row["energy_pointing_game"] is not None for row in by_method["occlusion"])
    told = [one for one in summarise(found).cautions if "left out" in str(one)]
    assert bool(told) == mirrored
