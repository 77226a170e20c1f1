"""Complexity: by hand, half precision, maps that hold no number, and its slow twin."""

import pytest
import torch

from reference.adcc import complexity as slowly
from sightline.metrics.complexity import complexity


def test_by_hand():
    assert complexity(
        torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.25, 0.75], [-0.5, 0.5]])
    ).tolist() == [0, 1, 0.5, 0.5]


def test_a_large_map_in_half_precision_is_summed_in_double():
    """100 000 times 0.25 is beyond what float16 can hold, 65504 at most."""
    assert complexity(torch.full((1, 100, 1000), 0.25, dtype=torch.float16)).tolist() == [0.25]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_not_finite_shows_in_its_image_only(bad):
    got = complexity(torch.tensor([[0.5, bad], [0.5, 0.0]]))
    assert not got[0].isfinite()
    assert got[1] == 0.25


def test_slow_twin():
    torch.manual_seed(0)
    maps = torch.rand(6, 5, 4, dtype=torch.float64)
    maps[3] = 0
    torch.testing.assert_close(complexity(maps), slowly(maps), rtol=1e-6, atol=1e-12)
