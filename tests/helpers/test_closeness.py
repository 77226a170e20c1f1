"""The judges are judged first: a helper that cannot fail proves nothing."""

import pytest
import torch

from helpers.closeness import assert_near, assert_relative

ONE = torch.tensor([1.0, 1e-6])


@pytest.mark.parametrize("judge", [assert_relative, assert_near])
@pytest.mark.parametrize(
    "got",
    [
        torch.tensor([1.1, 1e-6]),
        torch.tensor([[1.0, 1e-6]]),
        torch.tensor([1.0, torch.nan]),
        torch.ones(0),
    ],
    ids=["wrong value", "wrong shape", "not a number", "nothing"],
)
def test_what_is_wrong_is_seen(judge, got):
    with pytest.raises(AssertionError):
        judge(got, ONE, 1e-3)


def test_relative_looks_at_each_element_and_near_at_the_largest():
    got = torch.tensor([1.0, 2e-6])
    assert_near(got, ONE, 1e-5)
    with pytest.raises(AssertionError, match="1 of 2 elements"):
        assert_relative(got, ONE, 1e-5)


def test_a_wanted_zero_has_to_be_met_exactly():
    assert_relative(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]), 1e-10)
    with pytest.raises(AssertionError):
        assert_relative(torch.tensor([1e-30, 1.0]), torch.tensor([0.0, 1.0]), 1e-10)


def test_nearness_to_nothing_is_refused():
    with pytest.raises(AssertionError, match="all that was wanted is zero"):
        assert_near(torch.zeros(2), torch.zeros(2), 1e-3)
