"""% Increase in Confidence: by hand, ties, and its slow twin."""

import pytest
import torch

from reference.increase_in_confidence import increase_in_confidence as slowly
from sightline.metrics.increase_in_confidence import increase_in_confidence
from sightline.metrics.metric import about, mean


@pytest.mark.parametrize(
    ("full", "masked", "want"),
    [(0.5, 0.6, 1), (0.6, 0.5, 0), (0.5, 0.5, 0), (0.0, 0.0, 0), (0.0, 0.1, 1), (1.0, 1.0, 0)],
    ids=["more", "less", "tie", "none at all", "from nothing", "full"],
)
def test_by_hand(full, masked, want):
    assert increase_in_confidence(torch.tensor([full]), torch.tensor([masked])).tolist() == [want]


def test_the_figure_is_the_share_of_images_in_per_cent():
    values = increase_in_confidence(
        torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.9, 0.2, 0.1, 0.4])
    )
    assert mean(values.double().numpy()) * about(increase_in_confidence).scale == 25


def test_what_is_not_a_number_says_nothing():
    values = increase_in_confidence(torch.tensor([torch.nan, 0.5]), torch.tensor([0.5, torch.nan]))
    assert values.isnan().all()


def test_slow_twin():
    torch.manual_seed(0)
    full, masked = torch.rand(2, 200, dtype=torch.float64)
    masked[::5] = full[::5]
    assert torch.equal(increase_in_confidence(full, masked), slowly(full, masked))
