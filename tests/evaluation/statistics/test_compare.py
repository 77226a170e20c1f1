from math import comb

import numpy as np
import pytest

from sightline.evaluation.statistics.bootstrap import bootstrap
from sightline.evaluation.statistics.compare import paired, sign_test, win


def average(values):
    return float(values.mean())


def by_hand(larger, smaller):
    """Two-sided: the probability of a split at least as unlikely, heads and tails being equal."""
    n, most = larger + smaller, max(larger, smaller)
    return min(1.0, 2 * sum(comb(n, k) for k in range(most, n + 1)) / 2**n)


@pytest.mark.parametrize(
    ("larger", "smaller", "ties"), [(9, 1, 0), (5, 5, 3), (0, 6, 1), (13, 4, 40), (1, 0, 0)]
)
def test_the_sign_test_is_the_binomial_one(larger, smaller, ties):
    a = np.array([1.0] * larger + [-1.0] * smaller + [0.0] * ties)
    found = sign_test(a, np.zeros(len(a)))
    assert (found.larger, found.smaller, found.ties) == (larger, smaller, ties)
    assert found.p == pytest.approx(by_hand(larger, smaller))


def test_only_ties_prove_nothing():
    assert sign_test(np.ones(5), np.ones(5)).p == 1.0
    assert sign_test(np.full(2, np.nan), np.ones(2)).ties == 0


def test_pairing_takes_out_what_is_hard_for_both():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 1, 80)
    a, b = hard + rng.normal(0.1, 0.05, 80), hard + rng.normal(0, 0.05, 80)
    apart = paired(average, a, b)
    alone = bootstrap(average, a)
    assert apart.excludes_zero
    assert apart.p < 0.01
    assert apart.high - apart.low < 0.2 * (alone.high - alone.low)
    unrelated = paired(average, a, rng.permutation(b))
    assert not unrelated.excludes_zero


def test_of_means_it_is_the_bootstrap_of_the_differences():
    rng = np.random.default_rng(1)
    a, b = rng.random(33), rng.random(33)
    found, expected = paired(average, a, b), bootstrap(average, a - b)
    assert (found.difference, found.low, found.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )


def test_turned_round_it_says_the_same():
    rng = np.random.default_rng(2)
    a, b = rng.random(33), rng.random(33)
    one, other = paired(average, a, b), paired(average, b, a)
    assert (one.low, one.high, one.p) == pytest.approx((-other.high, -other.low, other.p))


def test_only_images_that_both_measured_count():
    a, b = np.array([1.0, np.nan, 3.0, 8.0]), np.array([0.0, 5.0, 2.0, np.nan])
    found = paired(average, a, b)
    assert (found.difference, found.n) == (1.0, 2)
    assert (found.low, found.high) == pytest.approx((1.0, 1.0))
    assert np.isnan(a[1])
    assert a[3] == 8.0, "what came in stays as it was"


def test_equal_methods_and_single_images_show_nothing():
    assert paired(average, np.ones(9), np.ones(9)).p == 1.0
    assert not paired(average, np.ones(9), np.ones(9)).excludes_zero
    one = paired(average, np.ones(1), np.zeros(1))
    assert one.difference == 1.0
    assert np.isnan([one.low, one.p]).all()
    assert not one.excludes_zero


@pytest.mark.slow
def test_p_is_rarely_small_where_there_is_nothing():
    rng = np.random.default_rng(3)
    small = sum(paired(average, *rng.normal(size=(2, 50)), n=300).p < 0.1 for _ in range(200))
    assert 8 <= small <= 34  # 10 % of 200, give or take three standard deviations


def test_wins_ties_and_losses_add_up():
    a, b = np.array([0.1, 0.5, 0.0, 0.2, np.nan]), np.array([0.3, 0.4, 0.0, 0.9, 0.1])
    found = win(a, b)
    assert (found.win.estimate, found.tie.estimate, found.loss.estimate, found.n) == (
        0.5,
        0.25,
        0.25,
        4,
    )
    turned = win(b, a)
    assert (turned.win, turned.tie) == (found.loss, found.tie)
    assert win(a, b, higher_is_better=True).win == found.loss


def test_wins_of_nobody():
    found = win(np.full(3, np.nan), np.zeros(3))
    assert found.n == 0
    assert np.isnan(found.win.estimate)
