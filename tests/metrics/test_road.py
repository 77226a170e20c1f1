"""ROAD: by hand, what it does not depend on, and its slow twin."""

import pytest
import torch

from reference.road import road as slowly
from sightline.metrics.metric import about
from sightline.metrics.road import road


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


def test_by_hand():
    """The means are 0.3 and 0.8: half their difference."""
    most, least = torch.tensor([[0.6, 0.2, 0.1]]), torch.tensor([[0.9, 0.9, 0.6]])
    assert road(most, least).item() == pytest.approx(0.25)
    assert about(road).higher_is_better is True


def test_slow_twin():
    torch.manual_seed(0)
    most, least = torch.rand(2, 5, 9, dtype=torch.float64)
    torch.testing.assert_close(road(most, least), slowly(most, least), rtol=1e-6, atol=1e-12)
