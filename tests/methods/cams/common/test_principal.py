"""First singular vectors: by hand and by torch's decomposition; signs, means, and what has none."""

import pytest
import torch

from helpers.closeness import assert_near
from sightline.methods.cams.common.principal import (
    centred_rows,
    first_right,
    largest_is_positive,
    leading,
)


def relu(*shape, seed=0):
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).relu()


def test_a_matrix_of_rank_one_by_hand():
    """All rows are multiples of (2, -1, 2), which is 3 long; the silent column has no part."""
    rows = torch.tensor([[[2.0, -1.0, 0.0, 2.0], [-4.0, 2.0, 0.0, -4.0]]], dtype=torch.float64)
    (axis,) = first_right(rows)
    assert_near(axis * axis[0].sign(), rows[0, 0] / 3, 1e-14)


def test_a_long_thin_matrix_and_a_wide_one_have_the_same_axis():
    rows = relu(1, 40, 3) - 0.2
    vh = torch.linalg.svd(rows)[2][:, 0]
    assert_near(first_right(rows).abs(), vh.abs(), 1e-12)
    wide = rows.mT.contiguous()
    assert_near(first_right(wide).abs(), torch.linalg.svd(wide)[2][:, 0].abs(), 1e-12)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_of_zeros_it_is_zero_and_of_no_number_nan(bad):
    rows = torch.zeros(3, 4, 2)
    rows[1, 2, 0], rows[2, :, 1] = bad, 5.0
    found = first_right(rows)
    assert found[0].tolist() == [0, 0]
    assert found[1].isnan().all()
    assert found[2].abs().tolist() == [0, 1]


def test_where_all_values_are_equal_the_derivatives_are_numbers():
    """Torch's own divide by the gaps, all of them, and are NaN as soon as one is zero."""
    gram = torch.eye(3, dtype=torch.float64)[None].requires_grad_()
    value, vector = leading(gram)
    assert value.tolist() == [1]
    (vector.sum() + value.sum()).backward()
    assert gram.grad.isfinite().all()


def test_the_derivative_of_the_largest_value_is_its_vector_squared():
    """diag(5, 1, 1): dl/dG = v v^T, 1 in the first corner alone, although two values are equal."""
    gram = torch.diag(torch.tensor([5.0, 1.0, 1.0], dtype=torch.float64))[None].requires_grad_()
    leading(gram)[0].sum().backward()
    assert gram.grad[0].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_of_equal_sizes_the_first_settles_the_sign():
    vectors = torch.tensor([[-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0 + 1e-12]], dtype=torch.float64)
    assert largest_is_positive(vectors).tolist() == [[-1], [1], [-1]]
    assert largest_is_positive(torch.tensor([[-1.0, 1.1]])).tolist() == [[1]]


def test_what_differs_by_a_rounding_has_no_deviation_at_all():
    """0.1 and the number next to it, 1.4e-17 apart; what is 1e-9 apart is a signal."""
    rows = torch.full((1, 30, 1), 0.1, dtype=torch.float64)
    rows[0, ::2] = torch.nextafter(rows[0, ::2], torch.ones((), dtype=torch.float64))
    assert len(rows.unique()) == 2
    assert not centred_rows(rows).any()
    rows[0, 0] += 1e-9
    assert centred_rows(rows)[0, 0].item() == pytest.approx(1e-9 * 29 / 30, rel=1e-6)
