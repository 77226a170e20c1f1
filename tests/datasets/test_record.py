"""One record: which objects count, and a mask that is drawn only when it is wanted."""

import numpy as np
import pytest

from sightline.datasets.masks import Polygons
from sightline.datasets.record import Mask, Object, Record
from sightline.errors import DataError

BOX = (0, 0, 4, 2)


class Late:
    """Counts how often it is drawn."""

    def __init__(self):
        self.drawn = 0

    def draw(self):
        self.drawn += 1
        return np.ones((2, 4), bool)


@pytest.mark.parametrize(
    ("difficult", "crowd", "counts"),
    [(False, False, True), (True, False, False), (False, True, False), (True, True, False)],
)
def test_difficult_objects_and_crowds_do_not_count(difficult, crowd, counts):
    assert Object("dog", BOX, difficult=difficult, crowd=crowd).counts is counts


def test_a_mask_is_an_array_or_drawn_or_not_known():
    array, late = np.eye(2, 4, dtype=bool), Late()
    assert Object("dog", BOX, array).pixels() is array
    one = Object("dog", BOX, late)
    assert late.drawn == 0
    assert one.pixels().all()
    assert late.drawn == 1
    assert Object("dog", BOX).pixels() is None
    assert [isinstance(mask, Mask) for mask in (late, array, None)] == [True, False, False]


def test_a_broken_mask_is_told_when_it_is_drawn_and_not_before():
    one = Object("dog", BOX, Polygons(((0, 0, 1, 1),), (4, 2)))
    with pytest.raises(DataError, match="three corners, x and y in turn; came 4 numbers"):
        one.pixels()


def test_two_objects_are_the_same_by_class_box_and_flags_whatever_their_masks():
    one = Object("dog", BOX, np.ones((2, 4), bool))
    assert one == Object("dog", BOX, np.zeros((2, 4), bool))
    assert one != Object("dog", BOX, crowd=True)
    assert "mask" not in repr(one)


def test_of_a_picture_alone_nothing_is_known():
    record = Record("a", b"")
    assert (record.labels, record.objects, record.tags) == ((), (), ())
    assert (record.annotated, record.size, record.error) == (False, None, None)
