"""The program in small: which layers are compared, and that the page's numbers are those of the rows."""

import layer_choice
import numpy as np
import pytest
import torch
from layer_choice import Rival, rivals, verdict
from torch import nn

from data import shared
from sightline import store
from sightline.surgery.choice import choose


def test_the_automatic_layer_is_among_its_rivals_at_place_zero():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.Sequential(nn.Conv2d(4, 6, 3, 2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip
    found = {place: row for row, place in rivals(net, 16)}
    assert found[0].name == choose(net, torch.rand(1, 3, 16, 16)).name == "2"
    assert [(place, row.name) for place, row in found.items()] == [(-4, "0"), (-2, "1"), (-1, "2.0"), (0, "2")]
    assert found[-4].grid.size > found[0].grid.size == found[-2].grid.size


def test_the_page_says_what_the_rows_hold(tmp_path):
    found, errors = layer_choice.run(shared("cifar10").parent, tmp_path, 4, ("ResNet-20", "ViT"))
    assert list(errors) == ["ViT"]
    assert {one.layer for one in found["ViT"] if one.rows is None} >= {"blocks", "norm"}, "only the class token counts"
    lines = layer_choice.page(found, errors)
    folders = (tmp_path / "layer_choice" / "ResNet-20").iterdir()
    rows = {run["protocol"]["layer"]: folder for folder in folders if (run := store.read(folder).run)}
    order = {}
    for layer in ("layer3", "layer2"):
        own = store.read(rows[layer])
        deleted, inserted = (np.array(own.column(word, "grad_cam_pp")) for word in ("deletion", "insertion"))
        order[layer] = (inserted - deleted).mean()
        (cells,) = ([line.split(" | ") for line in lines if line.startswith(f"| {name} | ")][:1]
                    for name in [f"**`{layer}`**" if layer == "layer3" else f"`{layer}`"])  # fmt: skip
        figures = [float(cell.split(" ")[0]) for cell in cells[0][2:4]]
        assert figures == [round(deleted.mean(), 3), round(inserted.mean(), 3)]
    told = cells[0][5].replace("−", "-").split(" ")[0]
    assert float(told) == pytest.approx(order["layer2"] - order["layer3"], abs=6e-5)


class Rows:
    """Rows of forty images, some of them with more insertion than others."""

    def __init__(self, more: float) -> None:
        self.values = {"deletion": [0.2] * 40, "insertion": [0.5 + more + 0.001 * (k % 3) * more for k in range(40)],
                       "average_drop": [0.3] * 40, "source": list(range(40))}  # fmt: skip

    def column(self, name: str, method: str) -> list[float]:
        return self.values[name]


def test_a_better_neighbour_is_named_and_a_worse_one_is_counted():
    chosen = Rival("chosen", "4 of 4 x 4", 0, Rows(0.0))
    beside = [Rival(name, "4 of 2 x 2", 1, Rows(more)) for name, more in (("good", 0.1), ("bad", -0.1), ("same", 0.0))]
    cell, better = verdict([chosen, *beside, Rival("dead", "4 of 2 x 2", 4, None)], "grad_cam")
    assert cell == "1 worse, 1 not told apart, 1 blank, **1 better**"
    assert [one.startswith("`good` (4 of 2 x 2) by +0.1001") for one in better] == [True]
    other = Rows(0.1)
    other.values["source"].reverse()
    with pytest.raises(ValueError, match="on the same images"):
        verdict([chosen, Rival("others", "4 of 2 x 2", 1, other)], "grad_cam")
