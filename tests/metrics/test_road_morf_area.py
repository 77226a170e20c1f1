"""ROAD, most relevant first: by hand, what is not finite, and its slow twin."""

import pytest
import torch

from reference.road import road_morf_area as slowly
from sightline.metrics.metric import about
from sightline.metrics.road_morf_area import road_morf_area


def test_by_hand_it_is_the_mean_of_the_shares():
    assert road_morf_area(torch.tensor([[0.6, 0.2, 0.1]])).item() == pytest.approx(0.3)
    assert road_morf_area(torch.tensor([[0.25]])).tolist() == [0.25]
    assert about(road_morf_area).higher_is_better is False


def test_a_confidence_that_is_no_number_spoils_its_image_only():
    got = road_morf_area(torch.tensor([[0.5, torch.nan], [0.5, 0.25]]))
    assert got[0].isnan()
    assert got[1] == 0.375


def test_slow_twin():
    torch.manual_seed(0)
    curves = torch.rand(5, 9, dtype=torch.float64)
    torch.testing.assert_close(road_morf_area(curves), slowly(curves), rtol=1e-6, atol=1e-12)
