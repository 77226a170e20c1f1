"""The words: what a preprocess says for other numbers of channels."""

import pytest

from sightline.types import Preprocess


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_for_so_many_channels(channels):
    photos, digits = Preprocess(resize=100), Preprocess(mean=(0.13,), std=(0.3,))
    found = photos.for_channels(channels)
    assert (found.mean, found.std) == (
        ((0.5,), (0.5,)) if channels == 1 else (photos.mean, photos.std)
    )
    assert (found.resize, found.crop) == (100, photos.crop)
    assert digits.for_channels(channels) is digits, "one number serves every channel"
