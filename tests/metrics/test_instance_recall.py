"""Instance recall by hand: are all objects of the class shown?"""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.instance_recall import instance_recall
from sightline.metrics.metric import about

MAP = drawn("""
    x1000300
    21000050
    00000000
""")
LEFT, RIGHT, BELOW = (0, 0, 2, 2), (5, 0, 8, 2), (2, 2, 6, 3)
DELTAS = (0, 0.25, 0.5, 0.75, 1)


@pytest.mark.parametrize(
    ("boxes", "want"),
    [
        ([LEFT], [1, 1, 1, 1, 0]),
        ([LEFT, RIGHT], [1, 1, 1 / 2, 1 / 2, 0]),  # 0.5 does not exceed 0.5
        ([LEFT, RIGHT, BELOW], [2 / 3, 2 / 3, 1 / 3, 1 / 3, 0]),
        ([LEFT, LEFT, RIGHT], [1, 1, 2 / 3, 2 / 3, 0]),  # two objects in one place are two
        ([(-4, -4, 1, 1), (7, 1, 40, 40)], [1 / 2, 1 / 2, 1 / 2, 1 / 2, 0]),  # partly outside
        (
            [RIGHT, (8, 0, 12, 2), (3.6, 1, 4.4, 2), (1, 1, 1, 2)],
            [1, 1, 0, 0, 0],
        ),  # three that cover no pixel
        ([BELOW], [0] * 5),
    ],
)
def test_by_hand(boxes, want):
    assert instance_recall(MAP, [boxes_of(*boxes)], deltas=DELTAS).tolist() == [want]


def test_a_floor_under_the_map_hits_nothing():
    lifted = 0.6 + 0.4 * MAP
    boxes = [boxes_of(LEFT, RIGHT, BELOW)]
    between = (0.1, 0.26, 0.49, 0.9)
    assert torch.equal(
        instance_recall(lifted, boxes, deltas=between), instance_recall(MAP, boxes, deltas=between)
    )


def test_constant_and_empty_maps_hit_nothing():
    for value in (0.0, 1.0):
        assert (
            instance_recall(
                torch.full((1, 3, 3), value), [boxes_of((0, 0, 1, 1))], deltas=(0,)
            ).item()
            == 0
        )


def test_figures():
    values, deltas = np.array([[0.5, 0.25], [1.0, 0.75], [np.nan, np.nan]]), (0.25, 0.5)
    figures = about(instance_recall).figures
    assert figures["Instance recall(0.25)"](values=values, deltas=deltas) == 0.75
    assert figures["Instance recall(0.5)"](values=values, deltas=deltas) == 0.5
