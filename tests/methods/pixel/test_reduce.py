"""From signed pixels to one picture in [0, 1]."""

import pytest
import torch

from helpers.closeness import assert_near
from sightline.methods.pixel import reduce


@pytest.mark.parametrize("grid", [(7,), (4, 5), (2, 3, 4)], ids=str)
def test_the_largest_magnitude_by_the_largest_of_all(grid):
    torch.manual_seed(0)
    pixels = torch.randn(3, 4, *grid, dtype=torch.float64)
    want = torch.zeros(3, *grid, dtype=torch.float64)
    for b, image in enumerate(pixels):
        largest = max(abs(v) for v in image.flatten().tolist())
        for k in range(4):
            want[b] = torch.maximum(want[b], image[k].abs() / largest)
    got = reduce(pixels)
    assert_near(got, want, 1e-15)
    assert got.flatten(1).amax(1).tolist() == [1.0, 1.0, 1.0]


def test_numbers_by_hand():
    """The sign is dropped, the channel does not matter; not a sum: 3 and -3 do not cancel."""
    assert reduce(torch.tensor([[[3.0, 0.0, 1.0], [-3.0, -6.0, 1.0]]])).tolist() == [
        [0.5, 1.0, pytest.approx(1 / 6)]
    ]


def test_nothing_stays_nothing_and_disturbs_no_other_image():
    pixels = torch.tensor([[[0.0, 0.0]], [[-2.0, 1.0]]])
    assert reduce(pixels).tolist() == [[0.0, 0.0], [1.0, 0.5]]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_pixels_that_are_not_finite_have_no_picture_and_spoil_no_other(value):
    pixels = torch.tensor([[[1.0, value], [2.0, 1.0]], [[1.0, -4.0], [2.0, 1.0]]])
    assert reduce(pixels).tolist() == [[0.0, 0.0], [0.5, 1.0]]
    assert pixels[0, 0, 0] == 1.0, "what was given is left as it was"


@pytest.mark.parametrize("size", [1e-45, 1e-40, 1e-30, 1e30, 3e38])
def test_any_size_of_gradient_gives_the_same_picture(size):
    assert reduce(torch.tensor([[[0.0, -size]]])).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_divided_in_float32(half):
    got = reduce(torch.tensor([[[1.0, 3.0]]]).to(half))
    assert got.dtype == torch.float32
    assert got[0, 0] == torch.tensor(1.0) / 3
