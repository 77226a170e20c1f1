"""Occlusion correlation: ranks by hand, the empty part of a map, enlarging, what has none."""

import pytest
import torch

import reference.correlation as slowly
from sightline.metrics.metric import about
from sightline.metrics.occlusion_correlation import occlusion_correlation


def test_occlusion_correlation_by_hand():
    """Order is all that counts; a distractor's negative drop is the lowest rank."""
    image_map = torch.tensor([[0.0, 0.1, 0.9]])
    for costs, want in (([-5.0, 0.01, 0.02], 1), ([0.02, 0.01, -5.0], -1), ([0.0, -1.0, 2.0], 0.5)):
        assert occlusion_correlation(image_map, torch.tensor([costs])).item() == pytest.approx(want)


def test_the_empty_part_of_a_map_is_one_value_and_no_order():
    """Ranks 1, 1, 1, 3 and 0, 1, 2, 3: covariance 3, squares 3 and 5."""
    got = occlusion_correlation(
        torch.tensor([[0.0, 0.0, 0.0, 1.0]]), torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    )
    assert got.item() == pytest.approx(3 / 15**0.5)


def test_enlarging_both_changes_nothing():
    torch.manual_seed(0)
    image_map, occlusion_map = torch.rand(2, 2, 4, 4).round(decimals=1)
    large = [
        maps.repeat_interleave(8, 1).repeat_interleave(8, 2) for maps in (image_map, occlusion_map)
    ]
    got = occlusion_correlation(*large)
    torch.testing.assert_close(
        got, occlusion_correlation(image_map, occlusion_map), rtol=0, atol=1e-12
    )


def test_a_map_without_an_order_has_no_correlation():
    torch.manual_seed(0)
    assert occlusion_correlation(torch.zeros(2, 3, 3), torch.rand(2, 3, 3)).isnan().all()
    assert occlusion_correlation(torch.rand(2, 3, 3), torch.ones(2, 3, 3)).isnan().all()


def test_more_is_better_and_the_group_is_sanity():
    said = about(occlusion_correlation)
    assert (said.higher_is_better, said.group) == (True, "sanity")


def test_slow_twin():
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, 5, 4).round(decimals=1)
    torch.testing.assert_close(
        occlusion_correlation(a, b), slowly.spearman(a, b), rtol=0, atol=1e-6
    )
