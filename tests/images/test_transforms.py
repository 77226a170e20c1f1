"""What is read off the steps of a torchvision transform."""

import pytest
from torchvision import transforms

from sightline.images.transforms import Pixels, is_transform, of_transform, pair


def test_pixels_follow_every_step():
    """p in [0, 1]; by hand: 255 p; (255 p - 51) / 102 = (p - 0.2) / 0.4; that less 1, through 2."""
    pixels = Pixels()
    pixels.normalise([51.0], [102.0])
    assert (pixels.mean, pixels.std) == (pytest.approx((0.2,)), pytest.approx((0.4,)))
    pixels.normalise((1.0, 1.0, 1.0), 2.0)
    assert (pixels.mean, pixels.std) == (pytest.approx((0.6,) * 3), pytest.approx((0.8,) * 3))
    scaled = Pixels()
    scaled.scale()
    assert (scaled.mean, scaled.std) == ((0.0,), (1.0,))


def test_steps_that_are_not_known_are_named():
    def turned(picture):
        return picture

    found = of_transform(
        transforms.Compose([transforms.Resize(8), turned, transforms.GaussianBlur(3)])
    )
    assert found.unknown == ["turned", "GaussianBlur"]
    assert found.ways[0].resize == 8


def test_what_is_a_transform():
    assert is_transform(transforms.ToTensor())
    assert is_transform(transforms.Compose([]))
    assert not is_transform(transforms.ToTensor)
    assert not is_transform(len)


@pytest.mark.parametrize(("size", "want"), [(7, (7, 7)), ([7], (7, 7)), ((7, 9), (7, 9))])
def test_a_crop_by_one_number_or_two(size, want):
    assert pair(size) == want
