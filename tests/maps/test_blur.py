"""The blur: RISE's kernel and result, its border, and its slow twin."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from reference.blur import blur as slowly
from sightline.errors import ImageError
from sightline.maps import blur


def rises_kernel(size, sigma):
    """RISE's `gkern`, by its description: scipy's filter on a single point in a window."""
    point = np.zeros((size, size))
    point[size // 2, size // 2] = 1
    return torch.from_numpy(gaussian_filter(point, sigma))


@pytest.mark.parametrize(("size", "sigma"), [(11, 5.0), (3, 0.4), (31, 5), (5, 40.0), (1, 3.0)])
def test_on_normalised_pixels_with_zeros_around_it_is_rises(size, sigma):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 24, 17, dtype=torch.float64)
    kernel = rises_kernel(size, sigma).view(1, 1, size, size).repeat(3, 1, 1, 1)
    want = F.conv2d(images, kernel, padding=size // 2, groups=3)
    torch.testing.assert_close(blur(images, size, sigma, edge="zeros"), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("edge", ["replicate", "zeros"])
def test_slow_twin(edge):
    torch.manual_seed(0)
    images = torch.randn(2, 2, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(
        blur(images, 5, 1.5, edge=edge), slowly(images, 5, 1.5, edge), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (40, 3)])
def test_a_plain_image_stays_plain_even_when_smaller_than_the_window(shape):
    images = torch.full((1, 3, *shape), 0.7, dtype=torch.float64)
    torch.testing.assert_close(blur(images), images, rtol=0, atol=1e-12)
    assert blur(images, edge="zeros").min() < 0.6


def test_blurring_and_normalising_may_change_places():
    torch.manual_seed(0)
    images, mean, std = torch.rand(2, 3, 16, 16), 0.45, 0.22
    torch.testing.assert_close(
        blur((images - mean) / std), (blur(images) - mean) / std, rtol=0, atol=1e-5
    )
    apart = blur((images - mean) / std, edge="zeros") - (blur(images, edge="zeros") - mean) / std
    assert apart.abs().max() > 0.5, "with zeros they may not"


def test_it_does_blur_and_sigma_zero_does_not():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    assert blur(images).var() < images.var() / 50
    assert torch.equal(blur(images, 11, 0), images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_images_dtype_stays(dtype):
    assert blur(torch.rand(1, 3, 8, 8).to(dtype)).dtype == dtype


@pytest.mark.parametrize("size", [0, 10, -3])
def test_a_size_without_a_middle_is_refused(size):
    with pytest.raises(ImageError, match=f"odd number of pixels as the size of a blur; got {size}"):
        blur(torch.ones(1, 3, 8, 8), size)


def test_an_unknown_edge_is_refused():
    with pytest.raises(
        ImageError, match="'replicate' or 'zeros' as the edge of a blur; got 'wrap'"
    ):
        blur(torch.ones(1, 3, 8, 8), edge="wrap")


@pytest.mark.parametrize("edge", ["replicate", "zeros"])
@pytest.mark.parametrize("size", [(9,), (4, 3, 5), (2, 3, 2, 3)])
def test_slow_twin_along_any_number_of_axes(size, edge):
    torch.manual_seed(0)
    images = torch.randn(1, 2, *size, dtype=torch.float64)
    torch.testing.assert_close(
        blur(images, 3, 1.5, edge=edge), slowly(images, 3, 1.5, edge), rtol=0, atol=1e-12
    )
