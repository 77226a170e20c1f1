"""Percentile intervals beside the slow way, which takes every set of rows in full."""

import numpy as np
import pytest

from sightline.errors import RequestError
from sightline.evaluation.statistics.bootstrap import bootstrap, estimate, replicates
from sightline.evaluation.statistics.resample import GROUPS, Resamples
from sightline.metrics.metric import mean, of_column_means


@of_column_means(weighted=True)
def average(values):
    return float(values.mean())


@of_column_means(weighted=True)
def second(values):
    return float(values[:, 1].mean())


@of_column_means(weighted=False)
def largest_mean(values):
    return float(values.mean(0).max())


def median(values):
    return float(np.median(values))


def share_above_half(values):
    return float((values > 0.5).mean())


@of_column_means(weighted=True)
def trapezoid(values, *, width=1.0):
    return float(np.trapezoid(values.mean(0)) * width)


def mean_of_classes(values, classes):
    return float(np.mean([values[classes == one].mean() for one in np.unique(classes)]))


def slowly(of, values, resamples, **columns):
    """Letter by letter: the figure of each resampled set of images."""
    found = []
    for k in range(resamples.count):
        rows = resamples.rows(k)
        found.append(of(values[rows], **{name: column[rows] for name, column in columns.items()}))
    return np.array(found)


def undeclared(of):
    """The same figure without its declaration."""
    return lambda values: of(values)


@pytest.mark.parametrize(
    ("of", "wide"),
    [
        (average, False),
        (median, False),
        (share_above_half, False),
        (second, True),
        (largest_mean, True),
        (trapezoid, True),
        (median, True),
        (share_above_half, True),
    ],
)
def test_each_way_of_resampling_is_the_slow_one(of, wide):
    values = np.random.default_rng(1).random((23, 5) if wide else 23)
    resamples = Resamples(23, count=50)
    np.testing.assert_allclose(
        replicates(of, values, {}, resamples), slowly(of, values, resamples), atol=1e-12
    )


@pytest.mark.parametrize("of", [average, second, largest_mean, trapezoid])
def test_a_figure_that_declares_nothing_is_computed_in_full_and_is_the_same(of):
    values = np.random.default_rng(1).random((23, 5))
    resamples = Resamples(23, count=50)
    full = replicates(undeclared(of), values, {}, resamples)
    assert full.tolist() == slowly(of, values, resamples).tolist()
    np.testing.assert_allclose(replicates(of, values, {}, resamples), full, atol=1e-12)


@pytest.mark.parametrize("of", [mean, largest_mean])
def test_rows_with_gaps_in_several_columns_are_resampled_in_full(of):
    values = np.random.default_rng(1).random((23, 3))
    values[::4, 0] = np.nan
    resamples = Resamples(23, count=50)
    full = replicates(undeclared(of), values, {}, resamples)
    np.testing.assert_array_equal(replicates(of, values, {}, resamples), full)
    assert not np.allclose(of(values), of(np.nanmean(values, 0)[None]))


def test_what_goes_with_the_images_is_resampled_with_them():
    rng = np.random.default_rng(2)
    values, classes = rng.random(40), rng.integers(0, 3, 40)
    resamples = Resamples(40, count=30)
    expected = slowly(mean_of_classes, values, resamples, classes=classes)
    np.testing.assert_allclose(
        replicates(mean_of_classes, values, {"classes": classes}, resamples), expected
    )


def test_the_interval_holds_the_central_share_of_the_resampled_figures():
    values = np.random.default_rng(3).random(12)
    drawn = slowly(average, values, Resamples(12, count=500, seed=7))
    found = bootstrap(average, values, n=500, seed=7, level=0.8)
    assert (found.estimate, found.n) == (pytest.approx(values.mean()), 12)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.1, 0.9])))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -7.25])
def test_equal_values_have_an_interval_without_width(constant):
    found = bootstrap(average, np.full(37, constant))
    assert found.low == found.high == constant


def test_one_image_has_no_interval():
    found = bootstrap(average, np.array([0.5]))
    assert (found.estimate, found.n) == (0.5, 1)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("values", [np.full(4, np.nan), np.full((4, 3), np.nan), np.empty(0)])
def test_where_nobody_says_anything_there_is_no_figure(values):
    found = bootstrap(average, values)
    assert found.n == 0
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_images_that_say_nothing_are_left_out():
    values = np.array([1.0, np.nan, 3.0, np.nan])
    assert estimate(average, values) == 2.0
    found = bootstrap(average, values)
    assert found.n == 2
    assert (found.low, found.high) == (1.0, 3.0)


def test_an_entry_that_says_nothing_leaves_the_others_of_its_image():
    @of_column_means(weighted=True)
    def third(values):
        return float(np.nanmean(values[:, 2]))

    values = np.random.default_rng(4).random((30, 3))
    values[:20, 0] = np.nan
    alone = bootstrap(third, values)
    values[:, 0] = 0.0
    assert bootstrap(third, values) == alone


def test_the_same_rows_give_the_same_interval_whatever_went_before():
    values = np.random.default_rng(5).random(50)
    first = bootstrap(average, values)
    bootstrap(average, np.random.default_rng(6).random(51), seed=3)
    assert bootstrap(average, values) == first
    assert bootstrap(average, values, seed=1) != first


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(8)
    samples = rng.exponential(1.0, (600, 60))
    resamples = Resamples(60, count=400)
    covered = 0
    for sample in samples:
        low, high = np.quantile(resamples.means(sample), [0.05, 0.95])
        covered += low <= 1.0 <= high
    assert 0.84 <= covered / 600 <= 0.93  # 90 %, a little less for a skewed law and 60 images


@pytest.mark.slow
def test_many_images_are_resampled_in_groups_and_the_width_stays():
    n = 4 * GROUPS + 17
    values = np.random.default_rng(9).normal(size=n)
    found = bootstrap(average, values)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(n), rel=0.06)
    assert found.low < values.mean() < found.high


def test_a_figure_that_looks_like_a_mean_and_is_none_is_not_taken_for_one():
    values = np.zeros(200)
    values[:3] = 1.0  # the median of nearly every set is 0, as that of most means is not
    found = bootstrap(median, values)
    assert (found.estimate, found.low, found.high) == (0.0, 0.0, 0.0)


def test_what_nobody_offers_is_an_error_that_says_so():
    def of(values, delta): ...

    with pytest.raises(RequestError, match=r"asks for 'delta'\. Near names: 'deltas'"):
        bootstrap(of, np.zeros(3), {"deltas": (0.0,)})


def test_an_option_keeps_its_default_and_a_field_of_the_protocol_is_bound():
    def at(values, deltas, *, factor=2.0):
        return factor * float(values[:, deltas.index(0.5)].mean())

    values = np.array([[1.0, 2.0], [1.0, 4.0]])
    assert estimate(at, values, {"deltas": (0.0, 0.5)}) == 6.0
    assert estimate(at, values, {"deltas": (0.0, 0.5), "factor": 1.0}) == 3.0
