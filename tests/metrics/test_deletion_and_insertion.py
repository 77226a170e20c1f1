"""Deletion and insertion: RISE's area, by hand and with its slow twin."""

import pytest
import torch

from reference.deletion import deletion as slowly
from sightline.metrics.deletion import deletion
from sightline.metrics.insertion import insertion
from sightline.metrics.metric import about

both = pytest.mark.parametrize("metric", [deletion, insertion])


@both
@pytest.mark.parametrize(
    ("curve", "want"),
    [
        ([1.0, 0.0], 0.5),
        ([1.0, 0.0, 0.0], 0.25),
        ([1.0, 1.0, 0.0], 0.75),
        ([0.3, 0.3, 0.3, 0.3], 0.3),
        ([0.0, 0.0], 0),
    ],
)
def test_by_hand(metric, curve, want):
    assert metric(torch.tensor([curve])).item() == pytest.approx(want, abs=1e-7)


@both
def test_a_single_point_is_its_height(metric):
    assert metric(torch.tensor([[0.25]])).tolist() == [0.25]


def test_one_wants_to_fall_and_the_other_to_rise():
    assert about(deletion).higher_is_better is False
    assert about(insertion).higher_is_better is True


@both
def test_the_area_of_the_mean_curve_is_the_mean_area(metric):
    """RISE prints the first, rows give the second: the rule is linear."""
    torch.manual_seed(0)
    curves = torch.rand(20, 29, dtype=torch.float64)
    assert metric(curves.mean(0, keepdim=True)).item() == pytest.approx(
        metric(curves).mean().item(), rel=1e-12
    )


@both
def test_slow_twin(metric):
    torch.manual_seed(0)
    curves = torch.rand(5, 29, dtype=torch.float64)
    torch.testing.assert_close(metric(curves), slowly(curves), rtol=1e-6, atol=0)
