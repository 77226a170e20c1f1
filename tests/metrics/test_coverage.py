"""Coverage by hand: whole object or a part."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.coverage import coverage
from sightline.metrics.metric import about

MAP = drawn("""
    00000
    0x840
    00009
""")


@pytest.mark.parametrize(
    ("boxes", "want"),
    [
        ([(1, 1, 4, 2)], [1, 1, 2 / 3, 1 / 3, 0]),
        ([(0, 0, 5, 3)], [4 / 15, 4 / 15, 3 / 15, 2 / 15, 0]),
        ([(1, 1, 3, 2), (2, 1, 4, 2), (2, 1, 3, 2)], [1, 1, 2 / 3, 1 / 3, 0]),  # overlapping
        ([(4, 2, 50, 9)], [1, 1, 1, 1, 0]),  # partly outside: one pixel left
        ([(0, 0, 5, 1)], [0] * 5),
    ],
)
def test_by_hand(boxes, want):
    assert coverage(MAP, [boxes_of(*boxes)], deltas=(0, 0.25, 0.5, 0.85, 1)).tolist() == [want]


def test_what_lies_outside_does_not_matter():
    loud = torch.where(MAP == 0.9, 1.0, MAP)
    box = [boxes_of((1, 1, 4, 2))]
    assert torch.equal(coverage(loud, box), coverage(MAP, box))


def test_a_map_of_one_everywhere_but_at_a_pixel_covers_all():
    fake = torch.ones(1, 4, 4)
    fake[0, 0, 0] = 0
    assert coverage(fake, [boxes_of((1, 1, 3, 3))], deltas=(0, 0.99)).tolist() == [[1, 1]]


def test_constant_and_empty_maps_cover_nothing():
    for value in (0.0, 1.0):
        assert (
            coverage(torch.full((1, 3, 3), value), [boxes_of((0, 0, 1, 1))], deltas=(0,)).item()
            == 0
        )


def test_figures():
    values, deltas = np.array([[0.5, 0.25], [1.0, 0.75]]), (0.25, 0.5)
    figures = about(coverage).figures
    assert figures["Coverage(0.25)"](values=values, deltas=deltas) == 0.75
    assert figures["Coverage(0.5)"](values=values, deltas=deltas) == 0.5
