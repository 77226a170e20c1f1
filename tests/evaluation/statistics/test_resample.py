"""Resampled sets: many images in groups, means as the slow way has them."""

import numpy as np
import pytest

from sightline.evaluation.statistics.resample import GROUPS, Resamples


def test_groups_give_what_the_slow_way_gives():
    n = GROUPS + 5
    values = np.random.default_rng(10).random((n, 2))
    values[::3, 1] = np.nan
    resamples = Resamples(n, count=5)
    for k, means in enumerate(resamples.means(values)):
        rows = resamples.rows(k)
        np.testing.assert_allclose(means, np.nanmean(values[rows], axis=0))
    assert resamples.among(np.arange(0, n, 7)).means(values[::7, 0])[2] == pytest.approx(
        values[[k for k in resamples.rows(2) if k % 7 == 0], 0].mean()
    )
