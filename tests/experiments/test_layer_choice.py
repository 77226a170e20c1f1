"""The program in small: that the page's numbers are those of the rows, and what another rule would
gain.
"""

import layer_choice
import numpy as np
import pytest
from layer_choice import Rival, other_rule, other_rules, verdict

from helpers.data import shared
from sightline.evaluation import store


def test_the_page_says_what_the_rows_hold(tmp_path):
    found, errors = layer_choice.run(shared("cifar10").parent, tmp_path, 4, ("ResNet-20", "ViT"))
    assert list(errors) == ["ViT"]
    assert {one.layer for one in found["ViT"] if one.rows is None} >= {"blocks", "norm"}, (
        "only the class token counts"
    )
    lines = layer_choice.page(found, errors)
    folders = (tmp_path / "layer_choice" / "ResNet-20").iterdir()
    rows = {
        run["protocol"]["layer"]: folder for folder in folders if (run := store.read(folder).run)
    }
    order = {}
    for layer in ("layer3", "layer2"):
        own = store.read(rows[layer])
        deleted, inserted = (
            np.array(own.column(word, "grad_cam_pp")) for word in ("deletion", "insertion")
        )
        order[layer] = (inserted - deleted).mean()
        (cells,) = (
            [line.split(" | ") for line in lines if line.startswith(f"| {name} | ")][:1]
            for name in [f"**`{layer}`**" if layer == "layer3" else f"`{layer}`"]
        )
        figures = [float(cell.split(" ")[0]) for cell in cells[0][2:4]]
        assert figures == [round(deleted.mean(), 3), round(inserted.mean(), 3)]
    told = cells[0][5].replace("−", "-").split(" ")[0]
    assert float(told) == pytest.approx(order["layer2"] - order["layer3"], abs=6e-5)


class Rows:
    """Rows of forty images, some of them with more insertion than others."""

    def __init__(self, more: float) -> None:
        self.values = {
            "deletion": [0.2] * 40,
            "insertion": [0.5 + more + 0.001 * (k % 3) * more for k in range(40)],
            "average_drop": [0.3] * 40,
            "source": list(range(40)),
        }

    def column(self, name: str, method: str) -> list[float]:
        return self.values[name]


def rival(name: str, more: float | None, place: int = 1, side: int = 2) -> Rival:
    return Rival(name, 4, (side, side), place, None if more is None else Rows(more))


def test_a_better_neighbour_is_named_and_a_worse_one_is_counted():
    chosen = rival("chosen", 0.0, 0, 4)
    beside = [rival(name, more) for name, more in (("good", 0.1), ("bad", -0.1), ("same", 0.0))]
    cell, better = verdict([chosen, *beside, rival("dead", None, 4)], "grad_cam")
    assert cell == "1 worse, 1 not told apart, 1 blank, **1 better**"
    assert [one.startswith("`good` (4 of 2 x 2) by +0.1001") for one in better] == [True]
    other = Rows(0.1)
    other.values["source"].reverse()
    with pytest.raises(ValueError, match="on the same images"):
        verdict([chosen, Rival("others", 4, (2, 2), 1, other)], "grad_cam")


def test_another_rule_is_judged_by_its_mean_over_networks():
    found = {
        "A": [
            rival("fine", 0.1, -5, 8),
            rival("block", -0.1, -3, 4),
            rival("own", 0.0, 0, 4),
            rival("late", None, 1),
        ],
        "B": [
            rival("fine", -0.3, -1, 14),
            rival("own", 0.0, 0, 7),
            rival("one", 0.2, 1),
            rival("two", 0.4, 2),
        ],
    }
    means = {role: other_rule(found, role, "grad_cam") for role in layer_choice.ROLES}
    told = {
        role: (mean.n, round(mean.estimate, 2), better, worse)
        for role, (mean, better, worse) in means.items()
    }
    assert told == {
        "the last stage with a finer grid": (2, -0.1, 1, 1),
        "the block before": (1, -0.1, 0, 1),
        "the stage just before": (1, -0.3, 0, 1),
        "what comes behind": (1, 0.3, 1, 0),
    }
    cells = [line.split(" | ") for line in other_rules(found) if "4 x 4" in line]
    assert [cell[1].partition("; ")[2] for cell in cells] == [
        "better on 1 of 1, worse on 0",
        "better on 0 of 1, worse on 1",
    ]
