"""Taylor coefficients of jets against derivatives that one knows by heart."""

import math

import pytest
import torch

from sightline.surgery.derivatives.jets import (
    Jet,
    all_orders,
    along,
    by_torch,
    constant,
    derivatives_of,
    linear,
    plus,
    product,
    softmax,
    value_of,
)
from sightline.surgery.harness.fallback import NoRule


def moving(*numbers):
    """A jet of one number."""
    return Jet(*(torch.tensor([n], dtype=torch.float64) for n in numbers))


def coefficients(jet):
    return [0.0 if one is None else float(one) for one in jet.moves]


def test_a_product_is_the_product_of_polynomials():
    """(1 + 2t)(3 + t + t^2) = 3 + 7t + 3t^2 + 2t^3."""
    found = product(torch.mul, moving(1.0, 2.0), moving(3.0, 1.0, 1.0))
    assert coefficients(found) == [3.0, 7.0, 3.0, 2.0]


def test_what_does_not_move_stays_an_exact_zero():
    found = product(torch.mul, moving(2.0, 1.0), torch.tensor([3.0]))
    assert coefficients(found) == [6.0, 3.0, 0.0, 0.0]
    assert found.moves[2] is None


def test_the_exponential_of_t_is_its_series():
    found = along(torch.exp, moving(0.0, 1.0))
    assert coefficients(found) == pytest.approx([1, 1, 1 / 2, 1 / 6])
    assert coefficients(along(torch.exp, moving(0.0, 0.0, 1.0))) == pytest.approx([1, 0, 1, 0])


def test_a_sine_of_a_polynomial():
    """sin(t + t^2) = t + t^2 - t^3/6 + ..."""
    assert coefficients(along(torch.sin, moving(0.0, 1.0, 1.0))) == pytest.approx([0, 1, 1, -1 / 6])


def test_of_straight_pieces_there_is_only_the_first_derivative():
    found = along(torch.relu, moving(2.0, 3.0, 4.0), pieces=True)
    assert coefficients(found) == [2.0, 3.0, 4.0, 0.0]
    assert coefficients(along(torch.relu, moving(-2.0, 3.0), pieces=True)) == [0.0, 0.0, 0.0, 0.0]


def test_derivatives_are_those_of_the_function():
    found = derivatives_of(torch.sin, torch.tensor([0.3], dtype=torch.float64), 3)
    s, c = math.sin(0.3), math.cos(0.3)
    assert [float(one) for one in found] == pytest.approx([s, c, -s, -c])


def test_a_softmax_of_two_is_a_sigmoid():
    """p = 1 / (1 + e^-t): 1/2 + t/4 - t^3/48."""
    found = softmax(Jet(torch.zeros(2).double(), torch.tensor([1.0, 0.0]).double()), 0)
    first = [0.0 if one is None else float(one[0]) for one in found.moves]
    assert first == pytest.approx([1 / 2, 1 / 4, 0, -1 / 48])


def test_torch_says_the_same_where_it_is_asked():
    x = Jet(*torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    for ours, theirs in (
        (along(torch.sigmoid, x), by_torch(torch.sigmoid, x)),
        (softmax(x, 0), by_torch(torch.softmax, x, 0)),
        (product(torch.mul, x, x), by_torch(torch.mul, x, x)),
    ):
        for one, other in zip(ours.moves, theirs.moves, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_torch_leaves_whole_numbers_alone():
    x = Jet(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([1.0, 0.0, 5.0]))
    values, order = by_torch(torch.sort, x)
    assert torch.equal(order, torch.tensor([0, 2, 1]))
    assert torch.equal(values.moves[1], torch.tensor([1.0, 5.0, 0.0]))


def test_concatenation_with_what_stands_still():
    found = all_orders(torch.cat, [moving(1.0, 2.0), torch.tensor([7.0]).double()])
    assert found.value.tolist() == [1.0, 7.0]
    assert found.moves[1].tolist() == [2.0, 0.0]
    assert found.moves[2] is None


def test_on_tensors_they_are_what_they_are_without_jets():
    x, y = torch.randn(2, 3, dtype=torch.float64)
    assert torch.equal(product(torch.mul, x, y), x * y)
    assert torch.equal(along(torch.sin, x), x.sin())
    assert torch.equal(softmax(x, 0), x.softmax(0))
    assert torch.equal(linear(torch.neg, x), -x)
    assert torch.equal(plus(x, y), x + y)
    assert plus(x, None) is x
    assert value_of(x) is x


def test_a_constant_that_moves_has_no_rule():
    assert constant(None) is None
    with pytest.raises(NoRule, match="moves"):
        constant(moving(1.0, 1.0))
