"""The program in small: the page's numbers are those of the rows."""

import faithfulness
import numpy as np

from helpers.data import shared
from sightline.evaluation import store


def test_the_page_says_what_the_rows_hold(tmp_path, monkeypatch):
    data = shared("cifar10").parent
    shared("tinyimagenet50")
    monkeypatch.setattr(faithfulness, "CURVES", {"lookout": 3})
    found = faithfulness.run(data, tmp_path, 4, ("lookout", "ResNet-20"))
    lines = faithfulness.page(found, faithfulness.run_curves(data, tmp_path, 3), whole=False)
    for column, name in enumerate(found):
        (folder,) = (tmp_path / "faithfulness" / name).iterdir()
        rows = store.read(folder)
        full, kept = (
            np.array(rows.column(word, "grad_cam_pp")) for word in ("full_score", "masked_score")
        )
        drop, rise = (np.maximum(0, full - kept) / full).mean(), (kept > full).mean()
        cells = [
            line.split(" | ")[1 + column] for line in lines if line.startswith("| Grad-CAM++ | ")
        ][:2]
        assert [float(cell.split(" ")[0]) for cell in cells] == [
            round(100 * drop, 1),
            round(100 * rise, 1),
        ]
        other = np.array(rows.column("masked_score", "grad_cam"))
        wins = (np.maximum(0, full - kept) < np.maximum(0, full - other)).mean()
        (line,) = (line for line in lines if line.startswith("| Grad-CAM++ over Grad-CAM | "))
        assert float(line.split(" | ")[1 + column].split(" ")[0]) == round(100 * wins, 1)
    assert any(found["lookout"].run["protocol_digest"] in line for line in lines)
    assert "## What holds" not in lines


def test_rows_that_are_there_are_not_made_again(tmp_path):
    data = shared("cifar10").parent
    first, again = (
        faithfulness.run(data, tmp_path, 3, ("ResNet-20",))["ResNet-20"] for _ in range(2)
    )
    assert again.run["seconds"] == round(first.run["seconds"], 1)
    assert [one.estimate for one in again.scores] == [one.estimate for one in first.scores]


def test_the_papers_win_and_loss_are_stated_as_printed():
    assert faithfulness.PAPER[0] == [
        "VGG-16",
        "ILSVRC2012 val",
        "46.56",
        "36.84",
        "13.42",
        "17.05",
        "70.72",
    ]
