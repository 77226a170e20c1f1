"""What is said of a metric; and that the figures which declare themselves of means are."""

import numpy as np
import pytest

from sightline.evaluation.statistics.bootstrap import estimate
from sightline.metrics import METRICS
from sightline.metrics.metric import about, mean, metric, of_column_means
from sightline.protocol import Protocol

WIDE = {"localisation_error": 3, "randomisation": 5, "sensitivity": 4, "adcc": 3, "pxap": 513}
"""How long a row of a metric is that is no number; those with an axis have one entry a delta."""

FIGURES = [
    pytest.param(name, figure, id=title)
    for name, function in METRICS.items()
    for title, figure in about(function).figures.items()
]

DECLARED = [one for one in FIGURES if hasattr(one.values[1], "of_column_means")]


def rows_of(name, images=40):
    rng = np.random.default_rng(0)
    if name == "pxap":  # counts, that fall with the threshold
        true, false = (-np.sort(-rng.integers(0, 99, (images, 256)), 1) for _ in range(2))
        return np.concatenate([true, false, true[:, :1] + 3], axis=1).astype(float)
    along = about(METRICS[name]).axis
    entries = WIDE.get(name) or (len(getattr(Protocol(), along)) if along else 0)
    return rng.random((images, entries) if entries else images)


def said(figure, values):
    return estimate(figure, values, Protocol().as_dict())


@pytest.mark.parametrize(("name", "figure"), DECLARED)
def test_a_declared_figure_is_that_of_the_means(name, figure):
    values = rows_of(name)
    assert said(figure, values) == pytest.approx(said(figure, values.mean(0)[None]), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "figure"), [p for p in DECLARED if p.values[1].of_column_means == "weighted"]
)
def test_a_weighted_figure_is_affine_in_the_means(name, figure):
    one, other = rows_of(name).mean(0), rows_of(name, 7).mean(0)
    both = 0.3 * one + 0.7 * other
    expected = 0.3 * said(figure, one[None]) + 0.7 * said(figure, other[None])
    assert said(figure, both[None]) == pytest.approx(expected, rel=1e-9)


def test_most_figures_are_declared_and_a_median_is_not():
    titles = {one.id for one in FIGURES} - {one.id for one in DECLARED}
    assert titles == {
        "ADCC (mean of images)",
        "Inside / outside, median",
        "MaxBoxAcc",
        "MaxBoxAccV2",
        "Pointing game",
        "Sensitivity (max)",
    }


def test_a_figure_is_marked_and_stays_what_it_is():
    @of_column_means(weighted=False)
    def spread(values):
        return values.mean(0).max() - values.mean(0).min()

    assert spread(np.array([[1.0, 4.0], [3.0, 4.0]])) == 2.0
    assert (spread.of_column_means, mean.of_column_means) == ("any", "weighted")


def test_what_is_not_said_of_a_metric_has_a_default():
    @metric(title="Half", group="faithfulness", higher_is_better=True)
    def half(full_score):
        return full_score / 2

    said = about(half)
    assert (said.name, said.figures, said.scale, said.unit) == ("half", {"Half": mean}, 1, "")
    with pytest.raises(AssertionError, match="is no metric"):
        about(len)
