"""A summary is a value, and says who is best only where every comparison does."""

import dataclasses

import pytest

from helpers.made_up_run import METRICS, made, replaced, with_rows
from sightline.evaluation.report import summarise


def of(results, **more):
    return summarise(results, metrics=METRICS, resamples=more.pop("resamples", 200), **more)


@pytest.fixture(scope="module")
def results():
    return made(40, broken=(17,), silent=(5,), pictures=False)


@pytest.fixture(scope="module")
def summary(results):
    return of(results, by=["class", "tag"])


def test_the_best_stands_out_only_if_every_comparison_says_so(summary, results):
    assert summary.best("average_drop", "Average Drop") == "grad_cam_pp"
    assert summary.stands_out("average_drop", "Average Drop") == "grad_cam_pp"
    assert summary.best("complexity", "Complexity") is None
    rows = results.rows.to_pylist()
    by_image = {row["item"]: row["average_drop"] for row in rows if row["method"] == "grad_cam_pp"}
    copied = [
        by_image[row["item"]] if row["method"] == "grad_cam_plus" else row["average_drop"]
        for row in rows
    ]
    equal = of(with_rows(results, replaced(results.rows, "average_drop", copied)))
    assert equal.best("average_drop", "Average Drop") == "grad_cam_pp"
    assert equal.stands_out("average_drop", "Average Drop") is None


def test_a_summary_is_a_value(summary):
    with pytest.raises(dataclasses.FrozenInstanceError):
        summary.images = 3


def test_of_few_images_nothing_stands_out():
    few = of(made(20, pictures=False))
    pair = few.pair("average_drop", "Average Drop", "grad_cam", "grad_cam_pp")
    assert pair.paired.excludes_zero
    assert not pair.paired.clear
    assert few.best("average_drop", "Average Drop") == "grad_cam_pp"
    assert few.stands_out("average_drop", "Average Drop") is None
