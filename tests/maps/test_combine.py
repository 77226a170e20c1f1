"""Weights times activations."""

import pytest
import torch

from helpers.closeness import assert_near
from reference.combine import combine as slowly
from sightline.maps.combine import combine


@pytest.mark.parametrize("grid", [(7,), (4, 5), (3, 2, 4)], ids=str)
@pytest.mark.parametrize("one_each", ["channel", "place"])
def test_the_weighted_sum_over_the_channels(grid, one_each):
    torch.manual_seed(0)
    activations = torch.randn(2, 6, *grid, dtype=torch.float64)
    weights = torch.randn(
        2, 6, *([1] * len(grid) if one_each == "channel" else grid), dtype=torch.float64
    )
    assert_near(combine(weights, activations), slowly(weights, activations), 1e-12)


def test_it_is_signed():
    weights, activations = torch.tensor([[[1.0], [-2.0]]]), torch.tensor([[[3.0, 0.0], [1.0, 4.0]]])
    assert combine(weights, activations).tolist() == [[1.0, -8.0]]


def test_a_hook_that_weighs_rows_only():
    """Whatever broadcasts along the grid is a weight."""
    weights, activations = torch.rand(1, 2, 3, 1), torch.rand(1, 2, 3, 4)
    assert_near(combine(weights, activations), (weights * activations).sum(1), 1e-6)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(half):
    """2048 channels of 64 add up to 131072, more than float16 holds; and 1/3 keeps its digits."""
    weights, activations = torch.full((1, 2048, 1), 64.0), torch.ones(1, 2048, 2)
    got = combine(weights.to(half), activations.to(half))
    assert got.dtype == torch.float32
    assert got.tolist() == [[131072.0, 131072.0]]
    precise = combine(torch.full((1, 1, 1), 1 / 3), torch.ones(1, 1, 1, dtype=half))
    assert precise.item() == pytest.approx(1 / 3, rel=1e-7)


def test_autocast_does_not_take_digits():
    torch.manual_seed(0)
    weights, activations = torch.randn(2, 64, 1, 1), torch.randn(2, 64, 7, 7)
    plain = combine(weights, activations)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(combine(weights, activations), plain)
        assert torch.einsum("bc...,bc...->b...", weights, activations).dtype == torch.bfloat16


def test_float64_stays():
    got = combine(torch.full((1, 1, 1), 1 / 3, dtype=torch.float64), torch.ones(1, 1, 1))
    assert got.dtype == torch.float64


def test_what_is_not_a_number_stays_visible_in_its_image():
    weights, activations = torch.ones(2, 3, 1), torch.ones(2, 3, 4)
    activations[1, 2, 0] = torch.nan
    assert combine(weights, activations).isnan().tolist() == [
        [False] * 4,
        [True, False, False, False],
    ]


@pytest.mark.parametrize("grid", [(1, 1), (4, 5)], ids=str)
def test_no_images_make_no_maps(grid):
    assert combine(torch.ones(0, 3, *grid), torch.ones(0, 3, 4, 5)).shape == (0, 4, 5)
