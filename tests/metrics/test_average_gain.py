"""Average Gain: by hand, nothing missing, logits, and its slow twin."""

import pytest
import torch

from reference.average_gain import average_gain as slowly
from sightline.metrics.average_drop import average_drop
from sightline.metrics.average_gain import average_gain


@pytest.mark.parametrize(
    ("full", "masked", "want"),
    [
        (0.5, 0.75, 0.5),
        (0.5, 1.0, 1.0),
        (0.5, 0.5, 0.0),
        (0.5, 0.1, 0.0),
        (0.0, 0.25, 0.25),
        (0.0, 0.0, 0.0),
    ],
)
def test_by_hand(full, masked, want):
    assert average_gain(torch.tensor([full]), torch.tensor([masked])).tolist() == [want]


def test_where_nothing_is_missing_or_nothing_could_be_it_says_nothing():
    gains = average_gain(torch.tensor([1.0, 1.0, 12.5]), torch.tensor([1.0, 0.2, 20.0]))
    assert gains.isnan().all()


def test_it_is_the_drop_of_what_is_missing():
    torch.manual_seed(0)
    full, masked = torch.rand(2, 100, dtype=torch.float64)
    torch.testing.assert_close(
        average_gain(full, masked), average_drop(1 - full, 1 - masked), rtol=1e-12, atol=1e-15
    )


def test_slow_twin():
    torch.manual_seed(0)
    full, masked = torch.rand(2, 200)
    full[::9] = 1
    want = slowly(full, masked)
    torch.testing.assert_close(average_gain(full, masked), want, rtol=1e-6, atol=0, equal_nan=True)
