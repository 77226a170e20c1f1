"""The pointing game by hand: hits, misses, tolerance, ties, and averages over classes."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.metric import about
from sightline.metrics.pointing_game import over_classes, pointing_game

MAP = drawn("""
    00000000
    00000000
    009x0000
    00000000
    00000000
""")  # the maximum is at row 2, column 3


@pytest.mark.parametrize(
    ("boxes", "tolerance", "hit"),
    [
        ([(3, 2, 4, 3)], 0, 1),
        ([(0, 0, 8, 5)], 0, 1),
        ([(4, 2, 8, 3)], 0, 0),
        ([(4, 2, 8, 3)], 1, 0),  # its nearest pixel is 1 away: not less than 1
        ([(4, 2, 8, 3)], 1.01, 1),
        ([(6, 0, 8, 5)], 3, 0),
        ([(6, 0, 8, 5)], 3.5, 1),
        ([(6, 0, 7, 1)], 13**0.5 - 1e-9, 0),  # 3 across, 2 up
        ([(6, 0, 7, 1)], 13**0.5 + 1e-9, 1),
        ([(6, 0, 7, 1), (0, 0, 1, 1), (3, 0, 4, 3)], 0, 1),  # any box
        ([(-9, -9, 4, 3)], 0, 1),  # partly outside
        ([(3.5, 2.5, 3.6, 2.6)], 0, 1),  # only the maximum's centre
        ([(7, 4, 8, 5)], 15, 1),
    ],
)
def test_by_hand(boxes, tolerance, hit):
    assert pointing_game(MAP, [boxes_of(*boxes)], tolerance=tolerance).tolist() == [hit]


def test_fifteen_is_the_usual_tolerance():
    wide = torch.zeros(1, 1, 60)
    wide[0, 0, 30] = 1
    boxes = [boxes_of((left, 0, left + 5, 1)) for left in (44, 45)]
    assert pointing_game(wide.expand(2, -1, -1), boxes).tolist() == [1, 0]  # 14 and 15 away


def test_the_first_of_equal_maxima_points():
    ties = torch.tensor([[[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]])
    boxes = [(1, 0, 2, 1), (3, 0, 4, 1), (0, 1, 1, 2)]
    assert [pointing_game(ties, [boxes_of(box)], tolerance=0).item() for box in boxes] == [1, 0, 0]


def test_a_constant_map_points_at_its_first_pixel_and_an_empty_one_nowhere():
    everywhere = [boxes_of((0, 0, 4, 4))]
    assert pointing_game(torch.ones(1, 4, 4), everywhere, tolerance=0).item() == 1
    assert pointing_game(torch.ones(1, 4, 4), [boxes_of((1, 0, 4, 4))], tolerance=0).item() == 0
    assert pointing_game(torch.zeros(1, 4, 4), everywhere).item() == 0


def test_a_map_that_points_at_the_centre_hits_what_is_there():
    """The centre baseline's logic: of four boxes the two that reach the middle are hit."""
    centre = torch.zeros(4, 9, 9)
    centre[:, 4, 4] = 1
    boxes = [boxes_of(box) for box in [(3, 3, 6, 6), (0, 0, 9, 9), (0, 0, 4, 9), (5, 5, 9, 9)]]
    values = pointing_game(centre, boxes, tolerance=0)
    assert values.tolist() == [1, 1, 0, 0]
    assert about(pointing_game).figures["Pointing game over images"](values=values.numpy()) == 0.5


def test_figures():
    values = np.array([1.0, 1.0, 0.0, 1.0, 0.0, np.nan, np.nan])
    classes = np.array([3, 3, 3, 8, 5, 5, 6])
    figures = about(pointing_game).figures
    assert figures["Pointing game"](values=values, classes=classes) == pytest.approx(
        (2 / 3 + 1 + 0) / 3
    )
    assert figures["Pointing game over images"](values=values) == pytest.approx(3 / 5)
    assert over_classes(values[:1], classes[:1]) == 1
    assert np.isnan(over_classes(values[5:], classes[5:]))
    assert np.isnan(over_classes(values[:0], classes[:0]))
