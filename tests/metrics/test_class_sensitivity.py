"""Class sensitivity: Pearson's correlation by hand, what has none, and its slow twin."""

import pytest
import torch

import reference.correlation as slowly
from sightline.metrics.class_sensitivity import class_sensitivity
from sightline.metrics.metric import about


def test_class_sensitivity_by_hand():
    """(-1, 0, 1) with (-1, 2, -1) has nothing in common; a straight line has all."""
    image_map = torch.tensor([[0.0, 0.5, 1.0]])
    for other, want in (([0.0, 1.0, 0.0], 0), ([0.2, 0.3, 0.4], 1), ([0.4, 0.3, 0.2], -1)):
        assert class_sensitivity(image_map, torch.tensor([other])).item() == pytest.approx(
            want, abs=1e-6
        )


def test_distances_count_and_not_only_the_order():
    """(-1, 0, 1) with (-4, -3, 7): covariance 11, squares 2 and 74; their ranks would say 1."""
    image_map = torch.tensor([[0.0, 0.5, 1.0]])
    steep = torch.tensor([[0.0, 0.1, 1.1]])
    assert class_sensitivity(image_map, steep).item() == pytest.approx(11 / 148**0.5, abs=1e-6)


def test_a_map_that_is_the_same_everywhere_has_no_correlation():
    torch.manual_seed(0)
    assert class_sensitivity(torch.zeros(2, 3, 3), torch.rand(2, 3, 3)).isnan().all()
    assert class_sensitivity(torch.rand(2, 3, 3), torch.ones(2, 3, 3)).isnan().all()


def test_less_is_better_and_the_group_is_sanity():
    said = about(class_sensitivity)
    assert (said.higher_is_better, said.group) == (False, "sanity")


def test_slow_twin():
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 5, 4).round(decimals=1)
    torch.testing.assert_close(class_sensitivity(a, b), slowly.pearson(a, b), rtol=0, atol=1e-6)
