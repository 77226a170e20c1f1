"""Coherency: by hand, maps that have no correlation, and its slow twin."""

import pytest
import torch

from reference.adcc import coherency as slowly
from sightline.metrics.coherency import coherency

RAMP = torch.tensor([[0.0, 0.5, 1.0]])


@pytest.mark.parametrize(
    ("other", "want"),
    [([0.0, 0.5, 1.0], 1), ([0.5, 0.6, 0.7], 1), ([1.0, 0.5, 0.0], 0), ([1.0, 0.0, 1.0], 0.5)],
    ids=["same", "scaled and shifted", "opposite", "unrelated"],
)
def test_by_hand(other, want):
    assert coherency(RAMP, torch.tensor([other])).item() == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize("other", [0.0, 1.0, torch.nan])
def test_one_that_does_not_exist_is_zero(other):
    assert coherency(RAMP, torch.full((1, 3), other)).tolist() == [0]
    assert coherency(torch.full((1, 3), other), RAMP).tolist() == [0]


def test_one_bad_map_leaves_the_others_alone():
    here = torch.tensor([[0.0, 0.5, 1.0], [0.0, torch.nan, 1.0], [1.0, 0.5, 0.0]])
    assert coherency(here, RAMP.repeat(3, 1)).tolist() == pytest.approx([1, 0, 0], abs=1e-6)


def test_slow_twin():
    torch.manual_seed(0)
    here, there = torch.rand(2, 6, 5, 4, dtype=torch.float64)
    here[3], there[4] = 0, 1
    torch.testing.assert_close(coherency(here, there), slowly(here, there), rtol=1e-6, atol=1e-12)
