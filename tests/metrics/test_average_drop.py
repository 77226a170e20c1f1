"""Average Drop: the paper's own example, ties, an image without confidence, and its slow twin."""

import pytest
import torch

from reference.average_drop import average_drop as slowly
from sightline.metrics.average_drop import average_drop
from sightline.metrics.metric import about, mean


def test_the_papers_example():
    """Version 1: from 0.8 to 0.4 is a drop of 50 %."""
    (drop,) = average_drop(torch.tensor([0.8]), torch.tensor([0.4])).tolist()
    assert drop * about(average_drop).scale == pytest.approx(50)


@pytest.mark.parametrize(
    ("full", "masked", "want"),
    [(0.5, 0.5, 0.0), (0.5, 0.9, 0.0), (0.5, 0.0, 1.0), (1.0, 0.25, 0.75), (1e-30, 0.0, 1.0)],
    ids=["tie", "increase", "all lost", "sure", "hardly any confidence"],
)
def test_by_hand(full, masked, want):
    assert average_drop(torch.tensor([full]), torch.tensor([masked])).item() == want


@pytest.mark.parametrize("masked", [0.0, 0.3])
def test_without_confidence_there_is_nothing_to_lose_and_the_image_is_counted_apart(masked):
    drops = average_drop(torch.tensor([0.0, 0.8]), torch.tensor([masked, 0.4]))
    assert drops.isnan().tolist() == [True, False]
    assert mean(drops.double().numpy()) == pytest.approx(0.5)


def test_absolute_divides_by_nothing():
    drops = average_drop(
        torch.tensor([6.0, 0.0, -1.0]), torch.tensor([2.0, -3.0, 5.0]), drop="absolute"
    )
    assert drops.tolist() == [4, 3, 0]


@pytest.mark.parametrize("drop", ["relative", "absolute"])
def test_slow_twin(drop):
    torch.manual_seed(0)
    full, masked = torch.rand(2, 200, dtype=torch.float64)
    full[::9], masked[::7] = 0, full[::7]
    want = slowly(full, masked, drop)
    torch.testing.assert_close(
        average_drop(full, masked, drop=drop), want, rtol=1e-6, atol=0, equal_nan=True
    )
