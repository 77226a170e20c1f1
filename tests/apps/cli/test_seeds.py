"""`sightline seeds`: a run's folders in, masks and boxes out, and what cannot be.

On a run of `evaluate`: `test_evaluate.py`; the masks themselves: `evaluation/test_seeds.py`.
"""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sightline.apps.cli import commands
from sightline.errors import MethodError, StoreError
from sightline.evaluation.store import Store

RUN = {
    "methods": ["grad_cam", "cam"],
    "controls": [],
    "protocol_digest": "p",
    "model": {"name": "m"},
}
TWO_REGIONS = (1, 0, 0, 0, 0, 0, 0, 0.9, 0.9)
"""On a grid of 3 x 3: the first corner, and two in the last row."""


def row(item, image, method="grad_cam", coarse=TWO_REGIONS):
    return {
        "item": item, "image": image, "method": method, "target": 3, "target_name": "cat",
        "coarse": [float(value) for value in coarse], "coarse_shape": [3, 3], "view_height": 3,
        "view_width": 3, "placement": None, "error": None,
    }  # fmt: skip


def run(*words):
    return CliRunner().invoke(commands, ["seeds", *map(str, words)])


@pytest.fixture
def results(tmp_path):
    """A run of one photograph, one without evidence, and two methods."""
    rows = [
        row(0, "1.png"),
        row(0, "1.png", "cam", [0] * 8 + [1]),
        row(1, "blank.png", coarse=[-1.0] * 9),
    ]
    Store(tmp_path / "results", RUN).write(0, rows, [])
    return tmp_path / "results"


def boxes(out):
    return [one["bbox"] for one in json.loads((out / "boxes.json").read_text())["annotations"]]


def test_the_first_method_s_regions_and_what_has_none(results, tmp_path):
    out = tmp_path / "out"
    result = run(results, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"1 masks in {out / 'masks'}, boxes in {out / 'boxes.json'}\n"
    assert result.stderr == "nothing to write for 1: blank.png\n"
    (mask,) = (out / "masks").rglob("*.png")
    assert (np.asarray(Image.open(mask)) > 0).astype(int).tolist() == [
        [1, 0, 0],
        [0, 0, 0],
        [0, 1, 1],
    ]
    assert sorted(boxes(out)) == [[0, 0, 1, 1], [1, 2, 2, 1]]


def test_the_threshold_the_largest_region_and_another_method(results, tmp_path):
    run(results, "-o", tmp_path / "high", "--threshold", "0.95")
    run(results, "-o", tmp_path / "large", "--largest")
    run(results, "-o", tmp_path / "cam", "--method", "cam")
    found = [boxes(tmp_path / name) for name in ("high", "large", "cam")]
    assert found == [[[0, 0, 1, 1]], [[1, 2, 2, 1]], [[2, 2, 1, 1]]]


def test_a_method_the_run_does_not_have_and_a_folder_that_is_none(results, tmp_path):
    other = run(results, "-o", tmp_path / "out", "-m", "score_cam")
    assert isinstance(other.exception, MethodError)
    assert "'grad_cam'" in str(other.exception)
    assert isinstance(run(tmp_path / "nowhere").exception, StoreError)
    assert run().exit_code == 2  # no folder at all
    assert not (tmp_path / "out").exists()
