"""Connected regions and their boxes."""

import pytest
import torch

from sightline.errors import ImageError
from sightline.maps.regions import boxes_above


def drawn(text):
    """A map from digits: tenths of the maximum."""
    return torch.tensor([[int(c) / 9 for c in line] for line in text.split()])


THREE = drawn("""
    900000000
    090000000
    000000000
    000055500
    000050500
    000055500
    300000000
""")


@pytest.mark.parametrize(
    ("threshold", "boxes"),
    [
        (0.5, [(4, 3, 7, 6), (0, 0, 2, 2)]),  # the ring has eight places, the diagonal two
        (0.2, [(4, 3, 7, 6), (0, 0, 2, 2), (0, 6, 1, 7)]),
        (0.6, [(0, 0, 2, 2)]),
        (0.0, [(4, 3, 7, 6), (0, 0, 2, 2), (0, 6, 1, 7)]),
        (1.0, []),  # nothing exceeds the maximum
    ],
)
def test_every_region_has_its_box_the_largest_first(threshold, boxes):
    assert boxes_above(THREE, threshold, largest=False) == boxes
    assert boxes_above(THREE, threshold) == boxes[:1]


def test_the_threshold_is_a_share_of_the_maps_own_maximum_and_has_to_be_exceeded():
    quiet = THREE / 1000
    assert boxes_above(quiet, 0.5, largest=False) == boxes_above(THREE, 0.5, largest=False)
    half = torch.tensor([[1.0, 0.5, 0.4]])
    assert boxes_above(half, 0.5) == [(0, 0, 1, 1)]
    assert boxes_above(half, 0.4999) == [(0, 0, 2, 1)]


@pytest.mark.parametrize("map", [torch.zeros(3, 4), -torch.rand(3, 4)])
def test_a_map_without_evidence_has_no_box(map):
    assert boxes_above(map, 0.15) == boxes_above(map, 0.15, largest=False) == []


def test_places_that_touch_at_a_corner_belong_together_and_a_winding_path_is_one():
    assert boxes_above(torch.eye(6), 0.5, largest=False) == [(0, 0, 6, 6)]
    snake = drawn("""
        99999
        00009
        99999
        90000
        99999
    """)
    assert boxes_above(snake, 0.5, largest=False) == [(0, 0, 5, 5)]
    columns = drawn("909 909 909")
    assert boxes_above(columns, 0.5, largest=False) == [(0, 0, 1, 3), (2, 0, 3, 3)]


def test_one_place_and_the_whole_map():
    assert boxes_above(torch.tensor([[0.3]]), 0.15) == [(0, 0, 1, 1)]
    assert boxes_above(torch.ones(4, 7), 0.15) == [(0, 0, 7, 4)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type(dtype):
    assert boxes_above(THREE.to(dtype), 0.5) == [(4, 3, 7, 6)]


@pytest.mark.slow
def test_a_large_map_has_numbers_enough():
    """Float32 could not number the places of a large map one by one."""
    large = torch.zeros(4100, 4100)
    large[4090, 4000:4002] = 1
    large[4090, 4003] = 1
    assert boxes_above(large, 0.5, largest=False) == [
        (4000, 4090, 4002, 4091),
        (4003, 4090, 4004, 4091),
    ]


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4)])
def test_what_is_no_picture_has_no_boxes(shape):
    with pytest.raises(ImageError, match=r"a map \[h, w\] to put boxes around; got the shape"):
        boxes_above(torch.ones(shape), 0.15)
