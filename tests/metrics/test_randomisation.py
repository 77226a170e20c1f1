"""Parameter randomisation: by hand, stages, empty maps, and its slow twin."""

import numpy as np
import pytest
import torch

from reference.randomisation import randomisation as slowly
from sightline.metrics.metric import about
from sightline.metrics.randomisation import randomisation


def test_by_hand():
    """The same order; the opposite one; ranks 0 1 2 and 1 0 2, whose correlation is 1/2."""
    stages = torch.tensor([[[0.2, 0.3, 0.9], [3.0, 2.0, 1.0], [0.5, 0.0, 1.0]]])
    assert randomisation(torch.tensor([[0.0, 0.5, 1.0]]), stages).tolist() == [
        pytest.approx([1, -1, 0.5])
    ]


def test_an_empty_map_says_nothing_of_its_stage_alone():
    stages = torch.tensor([[[0.0, 0.0, 0.0], [0.2, 0.3, 0.9]]])
    values = randomisation(torch.tensor([[0.0, 0.5, 1.0]]), stages)
    assert values.isnan().tolist() == [[True, False]]
    assert randomisation(torch.zeros(1, 3), stages).isnan().all()


def test_figures():
    values = np.array([[0.9, 0.5, 0.1], [0.7, np.nan, 0.3], [np.nan, np.nan, np.nan]])
    figures = {title: figure(values) for title, figure in about(randomisation).figures.items()}
    assert figures == pytest.approx(
        {
            "Randomisation (after the head)": 0.8,
            "Randomisation (after all layers)": 0.2,
            "Randomisation (mean)": 0.5,
        }
    )


def test_slow_twin():
    torch.manual_seed(0)
    here, stages = torch.rand(3, 5, 4).round(decimals=1), torch.rand(3, 4, 5, 4).round(decimals=1)
    stages[1, 2] = 0.5
    want = slowly(here, stages)
    torch.testing.assert_close(randomisation(here, stages), want, rtol=0, atol=1e-6, equal_nan=True)
