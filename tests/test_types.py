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


@pytest.mark.parametrize(
    ("preprocess", "channels", "axes", "statistics"),
    [
        (Preprocess(), 13, 2, ((0.0,), (1.0,))),
        (Preprocess(), 12, 1, ((0.0,), (1.0,))),
        (Preprocess(), 3, 1, ((0.0,), (1.0,))),  # three leads are no colours
        (Preprocess(), 1, 1, ((0.0,), (1.0,))),
        (Preprocess(), 1, 3, ((0.0,), (1.0,))),  # a scan is no grey photograph
        (Preprocess(), 3, 3, (Preprocess.mean, Preprocess.std)),  # a clip
        (Preprocess(mean=(0.1,) * 12, std=(2.0,) * 12), 12, 1, ((0.1,) * 12, (2.0,) * 12)),
        (Preprocess(mean=(0.1, 0.2, 0.3)), 3, 1, ((0.1, 0.2, 0.3), Preprocess.std)),
        (Preprocess(mean=(0.2,), std=(0.5,)), 13, 2, ((0.2,), (0.5,))),
    ],
)
def test_statistics_that_do_not_fit_are_0_and_1(preprocess, channels, axes, statistics):
    found = preprocess.for_channels(channels, axes)
    assert (found.mean, found.std) == statistics
    assert (found is preprocess) == preprocess.fits(channels, axes)
