"""Guided CAM: the product with a map, place by place."""

import pytest
import torch

from helpers.closeness import assert_near
from sightline.methods.pixel import guided_cam


@pytest.mark.parametrize("grid", [(7,), (4, 5), (2, 3, 4)], ids=str)
def test_the_product_place_by_place(grid):
    torch.manual_seed(0)
    pixels, shown = (
        torch.randn(2, 3, *grid, dtype=torch.float64),
        torch.rand(2, *grid, dtype=torch.float64),
    )
    want = torch.zeros_like(pixels)
    for b in range(2):
        for k in range(3):
            want[b, k] = pixels[b, k] * shown[b]
    assert torch.equal(guided_cam(pixels, shown), want)


def test_the_product_shows_nothing_where_the_map_is_zero_and_all_where_it_is_one():
    pixels = torch.tensor([[[-3.0, 2.0], [4.0, -1.0]]])
    assert guided_cam(pixels, torch.tensor([[1.0, 0.0]])).tolist() == [[[-3.0, 0.0], [4.0, 0.0]]]


def test_the_product_is_linear_in_both():
    torch.manual_seed(0)
    pixels, shown = (
        torch.randn(2, 3, 4, 5, dtype=torch.float64),
        torch.rand(2, 4, 5, dtype=torch.float64),
    )
    assert_near(guided_cam(-2 * pixels, shown / 4), guided_cam(pixels, shown) / -2, 1e-12)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_the_products_numbers_are_float32(half):
    assert (
        guided_cam(torch.ones(1, 3, 4), torch.full((1, 4), 1 / 3).to(half)).dtype == torch.float32
    )
