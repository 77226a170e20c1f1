"""Insertion: the area by hand where it tells early from late, and what is not finite.

What it has in common with deletion, its slow twin too, is in `test_deletion_and_insertion.py`.
"""

import pytest
import torch

from sightline.metrics.insertion import insertion


@pytest.mark.parametrize(
    ("curve", "want"),
    [([0.0, 1.0, 1.0], 0.75), ([0.0, 0.0, 1.0], 0.25), ([0.0, 0.5, 1.0], 0.5)],
    ids=["early", "late", "evenly"],
)
def test_confidence_that_comes_early_has_the_larger_area(curve, want):
    """Two steps of 1/2, each the mean of its ends: early (1/2 + 1) / 2, late (0 + 1/2) / 2."""
    assert insertion(torch.tensor([curve])).tolist() == [want]


def test_the_ends_count_half():
    """(1/2 + 0 + 0 + 1/2) / 3: what a blurred image already says is in the area."""
    assert insertion(torch.tensor([[1.0, 0.0, 0.0, 1.0]])).item() == pytest.approx(1 / 3)


def test_a_confidence_that_is_no_number_spoils_its_image_only():
    got = insertion(torch.tensor([[0.0, torch.nan, 1.0], [0.0, 1.0, 1.0]]))
    assert got[0].isnan()
    assert got[1] == 0.75
