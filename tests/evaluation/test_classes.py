"""Which class is explained, and what becomes of classes that are none of the model's."""

import pytest
from PIL import Image

from helpers.small_runs import PREPROCESS, run
from sightline import Card, describe
from sightline.errors import DataError
from sightline.protocol import Protocol


def test_given_classes_are_explained_and_unknown_ones_are_told(model, folder):
    (folder / "yak").mkdir()
    Image.new("RGB", (20, 20)).save(folder / "yak" / "1.png")
    found = run(model, folder, ["grad_cam"], "average_drop", protocol=Protocol(explained="given"))
    rows = found.rows.to_pylist()
    assert all(row["target"] == row["label"] for row in rows if row["error"] is None)
    told = {row["image"]: row["error"] for row in rows if row["error"]}
    assert len(told) == 2
    assert any("'yak' is none of the model's" in error for error in told.values())


def test_classes_that_fit_none_of_the_model_s_are_an_error_where_they_matter(model, folder):
    describe(model, Card("three", None, PREPROCESS, ("x", "y", "z"), "a test"))
    assert len(run(model, folder, ["grad_cam"], "average_drop")) == 12  # nobody needs them
    with pytest.raises(DataError, match="cat"):
        run(model, folder, ["grad_cam"], "average_drop", protocol=Protocol(explained="given"))
    found = run(
        model,
        folder,
        ["grad_cam"],
        "average_drop",
        protocol=Protocol(explained="given"),
        class_map={"cat": "x", "dog": 1, "emu": None},
    )
    assert [row["target"] for row in found.rows.to_pylist()][:5] == [0, 0, 0, 0, 1]


def test_pictures_without_classes_cannot_be_asked_where_things_are(model, folder):
    with pytest.raises(DataError, match=r"without classes\. Take faithfulness metrics"):
        run(model, folder / "cat", ["grad_cam"], "loc")


def test_a_limit_takes_records_evenly(model, folder):
    from sightline.datasets import open_data

    for data in (folder, open_data(folder)):
        found = run(model, data, ["grad_cam"], "average_drop", limit=3)
        assert found.column("label_name") == ["cat", "dog", "emu"]
