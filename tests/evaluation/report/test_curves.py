"""Curves: means over images, each image on its own fractions, and the area one sees is the area
that is counted.
"""

import itertools

import numpy as np
import pytest
import torch

from helpers.made_up_run import METRICS, Made, made, replaced, with_rows
from sightline.evaluation.report import summarise
from sightline.evaluation.report.curves import curves
from sightline.evaluation.report.rows_by_method import RowsByMethod
from sightline.evaluation.statistics.resample import Resamples
from sightline.metrics import roc_area


@pytest.fixture(scope="module")
def results():
    return made(40, broken=(17,), silent=(5,), pictures=False)


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, metrics=METRICS, resamples=200)


def test_curves_are_means_over_images(results, summary):
    found = {(one.name, one.method): one for one in summary.curves}
    rows = [
        row
        for row in results.rows.to_pylist()
        if row["method"] == "grad_cam" and row["deletion_curve"]
    ]
    one = found["deletion_curve", "grad_cam"]
    np.testing.assert_allclose(one.y, np.mean([row["deletion_curve"] for row in rows], axis=0))
    assert (one.x[0], one.x[-1], one.n) == (0.0, 100.0, 39)
    assert all(low <= y <= high for low, y, high in zip(one.low, one.y, one.high, strict=True))
    loc = found["loc", "grad_cam"]
    assert loc.x == tuple(results.run["protocol"]["deltas"])


def test_occlusion_curves_are_relative_and_on_one_grid(summary):
    one = next(c for c in summary.curves if (c.name, c.method) == ("occluded_curve", "random"))
    assert (one.x[0], one.x[-1], len(one.x)) == (0.0, 100.0, 41)
    assert one.y[0] == pytest.approx(100.0)
    assert one.y[-1] == pytest.approx(0.0)


def test_an_occlusion_curve_by_hand():
    results = made(2, methods=("grad_cam",), controls=(), broken=(), silent=(), pictures=False)
    rows = replaced(results.rows, "full_score", [0.5, 1.0])
    rows = replaced(rows, "occluded_fraction", [[0.0, 0.5, 1.0], [0.0, 0.25, 1.0]])
    rows = replaced(rows, "occluded_curve", [[0.5, 0.25, 0.0], [1.0, 1.0, 0.0]])
    run = {
        **results.run,
        "protocol": {**results.run["protocol"], "thetas": 3},
    }  # a step of theta is 1/2
    by_method = RowsByMethod(Made(run, rows, results.views))
    (one,) = (c for c in curves(by_method, {}, Resamples(2, 100), 0.95) if c.name[0] == "o")
    at = dict(zip(one.x, one.y, strict=True))
    assert (at[0.0], at[25.0], at[50.0]) == pytest.approx((100.0, (75 + 100) / 2, (50 + 50) / 2))
    assert at[75.0] == pytest.approx((25 + 0) / 2), (
        "the second image's jump from 1/4 to 1 is over after one step"
    )


def test_the_area_below_an_occlusion_curve_is_the_one_that_is_counted():
    """A map that orders nothing, with one jump over the whole picture, has no large area in the
    drawing either.
    """
    results = made(1, methods=("grad_cam",), controls=(), broken=(), silent=(), pictures=False)
    fraction = [0.0, 0.2, 0.2, 0.9, 1.0]
    rows = replaced(results.rows, "full_score", [0.5])
    rows = replaced(rows, "occluded_fraction", [fraction])
    rows = replaced(rows, "occluded_curve", [[0.5, 0.45, 0.45, 0.05, 0.0]])
    (one,) = (
        c
        for c in curves(RowsByMethod(with_rows(results, rows)), {}, Resamples(1, 10), 0.95)
        if c.name[0] == "o"
    )
    counted = roc_area(
        torch.tensor([0.5]), torch.tensor([[0.5, 0.45, 0.45, 0.05, 0.0]]), torch.tensor([fraction])
    )
    assert sum(b + a for a, b in itertools.pairwise(one.y)) / 2 * 2.5 / 1e4 == pytest.approx(
        counted.item(), abs=1e-6
    )
