"""What the experiments share: cells, verdicts, and that a page's parts say what the rows hold."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from tables import (
    NO,
    fooled,
    gap,
    gap_cell,
    grad_cam_pp_authors,
    only,
    part,
    score,
    table,
    told,
    verdict,
    win_cell,
)

from sightline.datasets import Data
from sightline.datasets.record import Record
from sightline.evaluation.report import Paired, summarise
from sightline.evaluation.store import Results
from sightline.evaluation.store import table as arrow

DROPS = {
    "a": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    "b": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
    "fake_cam": [0.0] * 6,
}


@pytest.fixture
def rows() -> Results:
    found = [
        {
            "item": k,
            "image": str(k),
            "method": name,
            "status": "ok",
            "protocol": "p",
            "tags": [],
            "average_drop": drop,
        }
        for name, drops in DROPS.items()
        for k, drop in enumerate(drops)
    ]
    run = {
        "methods": ["a", "b"],
        "controls": ["fake_cam"],
        "metrics": ["average_drop"],
        "protocol_digest": "p",
    }
    return Results(run, arrow(found), pa.table({}))


def test_cells_by_hand(rows):
    summary = summarise(rows)
    assert score(summary, "average_drop", "Average Drop", "a", interval=False) == "35.0"
    assert score(summary, "average_drop", "Average Drop", "a").startswith("35.0 [")
    assert score(summary, "average_drop", "Average Drop", "unknown") == "–"
    difference = gap(summary, "average_drop", "Average Drop", "a", "b")
    assert gap_cell(difference) == "−20.00 [−20.00, −20.00]"
    assert gap(summary, "average_drop", "Average Drop", "a", "unknown") is None
    assert win_cell(summary, "a", "b") == "100.0 [100.0, 100.0]; p = 0.031"
    assert win_cell(summary, "b", "a") == "0.0 [0.0, 0.0]; p = 0.031"


def test_a_control_that_wins_is_named(rows):
    lines = fooled({"six": summarise(rows)}, [("average_drop", "Average Drop")])
    assert lines[2] == "| Average Drop | FakeCAM |"
    tame = part(rows, lambda row: row["method"] != "fake_cam")
    assert (
        fooled({"six": summarise(tame)}, [("average_drop", "Average Drop")])[2]
        == "| Average Drop | none |"
    )


def test_a_verdict_counts_better_worse_and_unknown():
    gaps = {
        "up": Paired(1.0, 0.5, 1.5, 0.01, 9),
        "down": Paired(-1.0, -1.5, -0.5, 0.01, 9),
        "either": Paired(1.0, -0.5, 1.5, 0.3, 9),
        "nobody": None,
    }
    assert (
        verdict("C", gaps, True)
        == f"**C:** better on 1 of 3 (up), worse on 1 (down), {NO} on 1 (either)."
    )
    assert (
        verdict("C", gaps, False)
        == f"**C:** better on 1 of 3 (down), worse on 1 (up), {NO} on 1 (either)."
    )


def test_sentences_about_the_whole_run_are_not_said_of_a_part():
    assert "## What holds" in told(["It holds."], [], whole=True)
    assert "## What holds" not in told(["It holds."], [], whole=False)


def test_a_table_is_markdown():
    assert table(["x", "y"], [["1", "2"]]) == ["| x | y |", "| --- | ---: |", "| 1 | 2 |", ""]


def test_only_mapped_classes_remain(tmp_path):
    records = [Record("both", b"", labels=("dog", "zebra")), Record("none", b"", labels=("dog",))]
    found = only(
        Data("d", "coco", tmp_path, records, ("dog", "zebra")), {"zebra": "zebra", "dog": None}
    )
    assert [(one.name, one.labels) for one in found] == [("both", ("zebra",))]


def test_the_authors_weights_are_a_mean_over_positive_places():
    """By hand: sum A = 4; alpha 1/6 and 1/10 at g = 1 and 2; (1/6 + 2/10) / (1/6 + 1/10)."""
    activations, gradients = torch.tensor([[[4.0, 0.0, 0.0]]]), torch.tensor([[[1.0, 2.0, -1.0]]])
    expected = (1 / 6 + 2 / 10) / (1 / 6 + 1 / 10)
    np.testing.assert_allclose(
        grad_cam_pp_authors(activations, gradients).item(), expected, rtol=1e-6
    )
