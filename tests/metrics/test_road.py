"""ROAD's three figures: by hand, their identity, and their slow twins."""

import pytest
import torch

import reference.road as slowly
from sightline.metrics.metric import about
from sightline.metrics.road import road
from sightline.metrics.road_lerf_area import road_lerf_area
from sightline.metrics.road_morf_area import road_morf_area


def test_by_hand():
    most, least = torch.tensor([[0.6, 0.2, 0.1]]), torch.tensor([[0.9, 0.9, 0.6]])
    assert road_morf_area(most).item() == pytest.approx(0.3)
    assert road_lerf_area(least).item() == pytest.approx(0.8)
    assert road(most, least).item() == pytest.approx(0.25)


def test_where_the_order_does_not_matter_it_is_zero():
    curve = torch.tensor([[0.5, 0.3]])
    assert road(curve, curve).item() == 0


def test_changes_instead_of_confidences_make_no_difference():
    """As pytorch-grad-cam takes them: the confidence on the whole image cancels out."""
    torch.manual_seed(0)
    most, least, full = torch.rand(4, 9), torch.rand(4, 9), torch.rand(4, 1)
    torch.testing.assert_close(
        road(most - full, least - full), road(most, least), rtol=0, atol=1e-6
    )


def test_directions():
    assert [about(one).higher_is_better for one in (road_morf_area, road_lerf_area, road)] == [
        False,
        True,
        True,
    ]


def test_slow_twins():
    torch.manual_seed(0)
    most, least = torch.rand(2, 5, 9, dtype=torch.float64)
    for got, want in (
        (road_morf_area(most), slowly.road_morf_area(most)),
        (road_lerf_area(least), slowly.road_lerf_area(least)),
        (road(most, least), slowly.road(most, least)),
    ):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-12)
