"""A folder of an earlier version, half done, is read, summarised and gone on with.

`written_before/` was made by version 0.1.0 before its modules moved, with this file's pictures and
call; it was stopped after the first of two parts.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline
from sightline.evaluation import store

BEFORE = Path(__file__).resolve().parent / "written_before"
METHODS = ["grad_cam_pp", "centre"]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The four pictures, in the folder that the run names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    for k in range(4):
        small = np.random.default_rng(k).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        large = Image.fromarray(small).resize((96, 80), Image.Resampling.BICUBIC)
        large.save(tmp_path / "pics" / f"{k}.png")
    return Path("pics")


def measured(pictures, out, seen):
    return sightline.evaluate(
        sightline.load("lookout").model,
        pictures,
        METHODS,
        "faithfulness",
        out=out,
        part_size=2,
        batch_size=2,
        views=16,
        progress=seen.append,
    )


def test_it_is_read_and_summarised():
    found = store.read(BEFORE)
    assert found.column("image") == ["0.png", "0.png", "1.png", "1.png"]
    assert found.column("method") == METHODS * 2
    scores = {
        score.method: score.estimate
        for score in sightline.summarise(found).scores
        if score.metric == "average_drop" and not score.by
    }
    for method in METHODS:
        want = 100 * np.mean(found.column("average_drop", method))
        assert scores[method] == pytest.approx(want)


@pytest.mark.slow
def test_it_is_gone_on_with_as_if_it_had_not_stopped(pictures, tmp_path):
    shutil.copytree(BEFORE, tmp_path / "run")
    seen, anew = [], []
    found = measured(pictures, tmp_path / "run", seen)
    whole = measured(pictures, tmp_path / "whole", anew)
    assert (sum(seen), sum(anew)) == (2, 4)  # the first part is not measured again
    assert found.column("image") == whole.column("image")
    rows = found.rows.select(whole.rows.column_names)  # `notes` came later, and stands behind
    assert rows.schema == whole.rows.schema
    kept = store.read(BEFORE)
    assert rows.slice(0, 4).drop_columns(["notes"]).equals(kept.rows)
    assert rows.slice(4).equals(whole.rows.slice(4))
    np.testing.assert_allclose(
        np.array(found.column("full_score"), float),
        np.array(whole.column("full_score"), float),
        rtol=1e-5,
    )
