"""Alpha and the weighted sum, on numbers one can check by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.closeness import assert_relative
from sightline.errors import MethodError
from sightline.methods.cams.common.alpha import (
    alpha_from_derivatives,
    curbed,
    weigh,
    weigh_by_derivatives,
)
from sightline.methods.cams.common.tally import ignore


def row(*values):
    return torch.tensor([[values]], dtype=torch.float64)


def test_equation_10():
    alphas = alpha_from_derivatives(row(1.0, 1.0, -3.0), row(2.0, -0.5, 1.0), row(3.0))
    assert_relative(alphas, row(1 / 8, 2.0, 1.0), 1e-15)


def test_equation_10_is_undefined_without_curvature():
    assert alpha_from_derivatives(row(0.0), row(0.0), row(3.0)).isnan().all()


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-3, 1e3), st.floats(0, 1e4))
def test_equation_10_with_the_exponential_is_equation_19(g, activation_sum):
    alphas = alpha_from_derivatives(row(g**2), row(g**3), row(activation_sum))
    assert_relative(alphas, row(1 / (2 + g * activation_sum)), 1e-12)


def test_a_common_factor_of_the_derivatives_changes_no_alpha():
    second, third, total = row(1.0, 2.0), row(0.3, -0.2), row(1.5)
    assert_relative(
        alpha_from_derivatives(7e5 * second, 7e5 * third, total),
        alpha_from_derivatives(second, third, total),
        1e-14,
    )


def test_curbed_replaces_what_is_outside_and_counts_where_it_matters():
    seen = []
    alphas = row(-0.1, 0.0, 1e-9, 0.5, 0.999, 1.0, 3.0, torch.nan, torch.inf, -torch.inf, -0.1)
    first = row(*[1.0] * 10, -1.0)
    got = curbed(alphas, first, lambda *call: seen.append(call))
    assert_relative(got, row(0.5, 0.5, 1e-9, 0.5, 0.999, *[0.5] * 6), 0)
    ((word, places),) = seen
    assert word == "guarded"
    assert places.tolist() == [
        [[True, True, False, False, False, True, True, True, True, True, False]]
    ]


def test_weights_by_equation_5():
    assert weigh(row(0.1, 0.2, 0.3), row(1.0, -5.0, 10.0)).item() == pytest.approx(0.1 + 3.0)


def test_the_authors_weight_is_a_weighted_mean_of_the_positive_derivatives():
    got = weigh(row(0.1, 0.2, 0.3), row(1.0, -5.0, 10.0), "authors").item()
    assert got == pytest.approx((0.1 * 1 + 0.3 * 10) / 0.4)


def test_the_authors_sum_leaves_out_places_without_positive_derivative():
    """Also where it is exactly zero: those carry an alpha of 1/2 that must not count."""
    assert weigh(row(0.5, 0.5, 0.5), row(2.0, 0.0, -1.0), "authors").item() == 2.0


@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_nothing_positive_is_weight_zero(alpha):
    assert weigh(row(0.5, 0.5), row(-1.0, 0.0), alpha).item() == 0.0


@pytest.mark.parametrize("guard", [True, False])
@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_an_undefined_alpha_does_no_harm_where_nothing_is_positive(alpha, guard):
    """Second and third derivative are zero at the first place, whose alpha is 0/0; at the second it
    is 1/2.
    """
    derivatives = row(-1.0, 4.0), row(0.0, 1.0), row(0.0, 0.0)
    weight = weigh_by_derivatives(
        torch.ones(1, 1, 2).double(), derivatives, alpha, guard, ignore
    ).item()
    assert weight == (2.0 if alpha == "paper" else 4.0)


@pytest.mark.parametrize("alpha", ["paper", "authors"])
def test_what_is_not_a_number_stays_visible(alpha):
    assert weigh(row(0.5, 0.5), row(torch.nan, 4.0), alpha).isnan().all()
    assert weigh(row(torch.nan, 0.5), row(1.0, 4.0), alpha).isnan().all()


def test_derivatives_that_are_one_a_channel_count_once_a_position():
    activations = torch.tensor([[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0]]], dtype=torch.float64)
    g = torch.tensor([[[0.5], [2.0]]], dtype=torch.float64)
    once = weigh_by_derivatives(activations, (g, g**2, g**3), "paper", True, ignore)
    assert_relative(once.reshape(1, 1, 2), row(3 * 0.5 / (2 + 3 * 0.5), 3 * 2.0 / 2), 1e-12)
    authors = weigh_by_derivatives(activations, (g, g**2, g**3), "authors", True, ignore)
    assert_relative(authors, g, 1e-12)


def test_the_letter_of_the_paper_without_a_guard():
    activations = torch.full((1, 1, 1), 3.0, dtype=torch.float64)
    derivatives = row(2.0), row(1.0), row(-0.5)  # alpha = 1 / (2 - 1.5) = 2
    assert weigh_by_derivatives(activations, derivatives, "paper", False, ignore).item() == 4.0
    assert weigh_by_derivatives(activations, derivatives, "paper", True, ignore).item() == 1.0


def test_an_unknown_alpha_is_refused():
    with pytest.raises(
        MethodError, match=r"alpha is one of \('paper', 'authors'\), not 'autors'.*'authors'"
    ):
        weigh(row(0.5), row(1.0), "autors")
