"""ILSVRC's localisation error by hand, and its three figures."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.localisation_error import localisation_error
from sightline.metrics.metric import about

MAP = drawn("""
    00000090
    02220000
    02x20000
    01110000
""")  # above 15 %: six places, box (1, 1, 4, 3), and one apart


def wrong(one, boxes, rank=0, **options):
    return localisation_error(one, [boxes_of(*boxes)], torch.tensor([rank]), **options)[0].tolist()


@pytest.mark.parametrize(
    ("boxes", "error"),
    [
        ([(1, 1, 4, 3)], 0),
        ([(1, 1, 4, 4)], 0),  # 6 / 9
        ([(1, 1, 4, 5)], 0),  # cut at the view's edge: 6 / 9
        ([(1, 1, 4, 2)], 0),  # 3 / 6: a half is enough
        ([(1, 1, 4, 1.9)], 1),  # 2.7 / 6
        ([(0, 0, 8, 4)], 1),  # 6 / 32
        ([(6, 0, 7, 1)], 1),  # around the smaller region
        ([(6, 0, 7, 1), (1, 1, 4, 3)], 0),  # any true box
        ([(1, 1, 4, 3), (1, 1, 4, 3)], 0),
    ],
)
def test_by_hand(boxes, error):
    assert wrong(MAP, boxes) == [error] * 3


@pytest.mark.parametrize(
    ("rank", "want"),
    [(0, [0, 0, 0]), (1, [1, 0, 0]), (4, [1, 0, 0]), (5, [1, 1, 0]), (999, [1, 1, 0])],
)
def test_a_right_box_of_a_wrong_class_is_wrong(rank, want):
    assert wrong(MAP, [(1, 1, 4, 3)], rank) == want
    assert wrong(MAP, [(0, 0, 8, 4)], rank) == [1, 1, 1]


def test_without_a_rank_only_gt_known_is_known():
    assert wrong(MAP, [(1, 1, 4, 3)], -1) == pytest.approx([np.nan, np.nan, 0], nan_ok=True)


@pytest.mark.parametrize(
    ("threshold", "box"),
    [(0.05, (1, 1, 4, 4)), (0.15, (1, 1, 4, 3)), (0.5, (6, 0, 7, 1)), (0.95, (2, 2, 3, 3))],
)
def test_the_threshold_is_a_share_of_the_maximum(threshold, box):
    """At 0.5 two places are left, equally large: the first in reading order is taken."""
    for scale in (1, 0.01):
        assert wrong(scale * MAP, [box], box_threshold=threshold) == [0] * 3


def test_the_threshold_has_to_be_exceeded():
    halves = torch.tensor([[[1.0, 0.5, 0.5, 0.5]]])
    assert wrong(halves, [(0, 0, 1, 1)], box_threshold=0.5) == [0] * 3
    assert wrong(halves, [(0, 0, 4, 1)], box_threshold=0.49) == [0] * 3
    assert wrong(halves, [(0, 0, 1, 1)], box_threshold=1) == [1] * 3  # nothing exceeds the maximum


def test_a_constant_map_draws_the_whole_view_and_an_empty_one_nothing():
    assert wrong(torch.ones(1, 4, 4), [(0, 0, 4, 2)]) == [0] * 3
    assert wrong(torch.zeros(1, 4, 4), [(0, 0, 4, 4)]) == [1] * 3


def test_places_that_touch_at_a_corner_belong_together():
    assert wrong(torch.eye(5)[None], [(0, 0, 5, 5)]) == [0] * 3


def test_no_boxes():
    assert np.isnan(wrong(MAP, [])).all()


def test_figures():
    values = np.array([[1.0, 0, 0], [1, 1, 1], [0, 0, 0], [np.nan, np.nan, 1], [np.nan] * 3])
    got = {
        title: figure(values=values) for title, figure in about(localisation_error).figures.items()
    }
    assert got == pytest.approx({"top-1": 2 / 3, "top-5": 1 / 3, "GT-known": 1 / 2})
    assert about(localisation_error).higher_is_better is False
