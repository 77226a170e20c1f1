"""Pearson and Spearman: scipy's numbers, ties, constants, scale, and the slow twins."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

import reference.correlation as slowly
from sightline.metrics.correlation import pearson, ranks, spearman

both = pytest.mark.parametrize("name", ["pearson", "spearman"])
FAST = {"pearson": pearson, "spearman": spearman}
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


@both
@pytest.mark.parametrize("decimals", [0, 1, 8], ids=["many ties", "some ties", "none"])
def test_scipy_and_the_slow_twin(name, decimals):
    torch.manual_seed(0)
    a, b = torch.rand(2, 6, 7, 5, dtype=torch.float64).round(decimals=decimals)
    got = FAST[name](a, b)
    pairs = zip(a.flatten(1).numpy(), b.flatten(1).numpy(), strict=True)
    want = torch.tensor([SCIPY[name](x, y).statistic for x, y in pairs])
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    torch.testing.assert_close(got, getattr(slowly, name)(a, b), rtol=0, atol=1e-12)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(arrays("float64", (2, 8), elements=st.sampled_from([0.0, -0.0, 0.5, 1.0, 1e-300, -2.0])))
def test_ranks_are_scipys(rows):
    want = np.stack([stats.rankdata(row) for row in rows]) - 1
    assert ranks(torch.from_numpy(rows)).tolist() == want.tolist()


def test_by_hand():
    """Ranks 1/2, 1/2, 2, 3 and 0, 1, 2, 3: covariance 4.5, squares 4.5 and 5."""
    a, b = torch.tensor([[0.0, 0.0, 0.1, 0.2]]), torch.tensor([[1.0, 2.0, 3.0, 9.0]])
    assert spearman(a, b).item() == pytest.approx(np.sqrt(4.5 / 5))


@both
def test_the_same_opposite_and_turned_round(name):
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(FAST[name](a, a), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(
        FAST[name](a, 1 - a), -torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-6
    )
    assert torch.equal(FAST[name](a, b), FAST[name](b, a))


def test_ranks_do_not_mind_a_bend():
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 50, dtype=torch.float64)
    assert torch.equal(spearman(a.exp(), b**3), spearman(a, b))


@both
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e30])
def test_a_constant_has_no_correlation(name, constant):
    """0.1 thirty times has a mean that is not 0.1: the deviations are not zero, but no signal."""
    row = torch.full((1, 30), constant, dtype=torch.float64)
    other = torch.arange(30.0).unsqueeze(0).double()
    for a, b in ((row, other), (other, row), (row, row)):
        assert FAST[name](a, b).isnan().all()


@both
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_makes_its_row_nan_and_no_other(name, bad):
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 9)
    a[0, 3] = bad
    assert FAST[name](a, b).isnan().tolist() == [True, False]
    assert FAST[name](b, a).isnan().tolist() == [True, False]


@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1e18, 1e30])
def test_size_does_not_matter(scale):
    """Squares of these would vanish or overflow in float32."""
    torch.manual_seed(0)
    a, b = torch.rand(2, 2, 9)
    torch.testing.assert_close(pearson(scale * a, b), pearson(a, b), rtol=0, atol=1e-6)


@both
def test_one_place_says_nothing(name):
    assert FAST[name](torch.ones(2, 1), torch.ones(2, 1)).isnan().all()
