"""Loc(delta) by hand, and its figures."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.loc import loc
from sightline.metrics.metric import about

MAP = drawn("""
    0000000
    0580000
    05x0030
    0000000
""")


@pytest.mark.parametrize(
    ("boxes", "deltas", "want"),
    [
        ([(1, 1, 3, 3)], (0, 0.25, 0.4, 0.5, 0.75, 1), [4 / 5, 4 / 5, 4 / 4, 2 / 4, 2 / 4, 0]),
        ([(1, 1, 3, 3), (5, 2, 6, 3)], (0, 0.4), [5 / 5, 4 / 5]),
        ([(0, 0, 7, 4)], (0, 0.9), [5 / 28, 1 / 28]),
        ([(4, 0, 7, 2)], (0, 0.4), [0, 0]),  # beside it: 0 of 6 + 5
        (
            [(1, 1, 3, 3), (1, 1, 3, 3), (2, 2, 4, 3)],
            (0,),
            [4 / (5 + 1)],
        ),  # overlapping: their union has five pixels
        ([(2, 2, 99, 3)], (0,), [2 / (5 + 3)]),  # partly outside: five pixels are in the view
        ([(1, 1, 3, 3)], (0.75, 0), [2 / 4, 4 / 5]),  # any order
    ],
)
def test_by_hand(boxes, deltas, want):
    assert loc(MAP, [boxes_of(*boxes)], deltas=deltas).tolist() == [want]


def test_it_is_the_intersection_over_union_of_two_masks():
    one, box = torch.zeros(1, 10, 10), boxes_of((0, 0, 6, 6))
    one[0, 2:8, 2:8] = 1
    assert loc(one, [box], deltas=(0.5,)).item() == 16 / (36 + 36 - 16)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_map_exceeds_nothing(value):
    assert loc(
        torch.full((1, 4, 4), value), [boxes_of((0, 0, 2, 2))], deltas=(0, 0.5)
    ).tolist() == [[0, 0]]


def test_delta_0_takes_all_but_the_lowest_pixels():
    lifted = torch.full((1, 2, 5), 0.5)
    lifted[0, 0, 0], lifted[0, 1, 4] = 0.4, 1.0
    assert loc(lifted, [boxes_of((0, 0, 5, 2))], deltas=(0,)).item() == 9 / 10


def test_ties_with_the_threshold_are_not_above_it():
    halves = torch.tensor([[[0.0, 0.5, 1.0]]])
    assert loc(halves, [boxes_of((1, 0, 3, 1))], deltas=(0.5, 0.49)).tolist() == [[1 / 2, 1]]


def test_the_map_is_scaled_from_its_own_minimum():
    """0.6 is half-way between 0.2 and 1."""
    assert loc(
        torch.tensor([[[0.2, 0.6, 1.0]]]).double(), [boxes_of((1, 0, 3, 1))], deltas=(0.49, 0.51)
    ).tolist() == [[1, 1 / 2]]


def test_no_boxes_and_one_batch():
    got = loc(MAP.expand(2, -1, -1), [boxes_of(), boxes_of((1, 1, 3, 3))], deltas=(0,))
    assert got[0].isnan().all()
    assert got[1].tolist() == [4 / 5]


def test_figures():
    figures = about(loc).figures
    values, deltas = np.array([[0.2, 0.4], [0.4, 0.8], [np.nan, np.nan]]), (0, 0.25)
    assert figures["Loc(0)"](values=values, deltas=deltas) == pytest.approx(0.3)
    assert figures["Loc(0.25)"](values=values, deltas=deltas) == pytest.approx(0.6)
    assert np.isnan(figures["Loc(0.5)"](values=values, deltas=deltas))
    assert about(loc).axis == "deltas"
