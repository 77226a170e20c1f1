"""Pictures inside a larger file: their name, that they are read whole, arrays as image files."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from sightline.datasets.stored import Stored, as_ppm
from sightline.errors import ImageError
from sightline.images import read


class Grey(Stored):
    """A picture of 2 x 1 pixels whose first is its row."""

    def read(self):
        return as_ppm(np.array([[self.row, 255]], dtype=np.uint8))


def test_a_picture_knows_its_place_and_is_read_whole_each_time():
    one = Grey("some/file.bin", 3)
    assert one.name == "some/file.bin[3]"
    assert one.seekable() is False
    assert one.read() == one.read() == b"P5 2 1 255\n\x03\xff"
    assert np.asarray(read(one)).tolist() == [[[3, 3, 3], [255, 255, 255]]]


def test_it_is_a_value_that_can_be_sent():
    one = Grey("file.bin", 3)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Grey("file.bin", 4)
    with pytest.raises(FrozenInstanceError):
        one.row = 4
    with pytest.raises(TypeError, match="abstract"):
        Stored("file.bin", 3)


def test_colours_by_hand():
    pixels = np.array([[[1, 2, 3]], [[4, 5, 6]]], dtype=np.uint8)
    assert as_ppm(pixels) == b"P6 1 2 255\n\x01\x02\x03\x04\x05\x06"


def test_an_array_that_lies_otherwise_in_memory_is_read_in_its_own_order():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    for view in (pixels[::2, ::-1], pixels.transpose(1, 0, 2), np.asfortranarray(pixels)):
        assert np.array_equal(np.asarray(read(as_ppm(view))), view)


@pytest.mark.parametrize(
    ("pixels", "came"),
    [
        (np.zeros((2, 2)), "float64 [2, 2]"),
        (np.zeros((2, 2, 4), np.uint8), "uint8 [2, 2, 4]"),
        (np.zeros(3, np.uint8), "uint8 [3]"),
        (np.zeros((1, 2, 2, 3), np.uint8), "uint8 [1, 2, 2, 3]"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_came(pixels, came):
    with pytest.raises(ImageError) as told:
        as_ppm(pixels)
    assert str(told.value) == (
        f"Expected a picture [h, w, 3] or [h, w] in uint8; came {came}. Convert it."
    )
