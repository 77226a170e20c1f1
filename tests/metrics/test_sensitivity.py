"""Sensitivity to noise: by hand, empty maps, the two figures, and its slow twin."""

import numpy as np
import pytest
import torch

from reference.sensitivity import sensitivity as slowly
from sightline.metrics.metric import about
from sightline.metrics.sensitivity import sensitivity


def test_by_hand():
    """The map (0, 3, 4) is 5 long. Nothing moves; it vanishes; it doubles; one place moves by 1."""
    copies = torch.tensor([[[0.0, 3, 4], [0, 0, 0], [0, 6, 8], [1, 3, 4]]])
    assert sensitivity(torch.tensor([[0.0, 3, 4]]), copies).tolist() == [[0, 1, 1, 0.2]]


def test_an_empty_map_says_nothing():
    assert sensitivity(torch.zeros(1, 2, 2), torch.rand(1, 3, 2, 2)).isnan().all()


def test_figures():
    values = np.array([[0.1, 0.5], [0.3, 0.1], [np.nan, np.nan]])
    figures = {title: figure(values) for title, figure in about(sensitivity).figures.items()}
    assert figures == pytest.approx({"Sensitivity (max)": 0.4, "Sensitivity (mean)": 0.25})
    assert all(np.isnan(figure(values[2:])) for figure in about(sensitivity).figures.values())


def test_slow_twin():
    torch.manual_seed(0)
    here, there = torch.rand(3, 5, 4), torch.rand(3, 6, 5, 4)
    here[1] = 0
    want = slowly(here, there)
    torch.testing.assert_close(sensitivity(here, there), want, rtol=1e-6, atol=0, equal_nan=True)
