"""Inside over outside by hand."""

import numpy as np
import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.inside_outside_ratio import inside_outside_ratio, median
from sightline.metrics.metric import about

MAP = drawn("""
    0500
    0x20
    0003
""")


@pytest.mark.parametrize(
    ("boxes", "want"),
    [
        ([(1, 0, 2, 2)], (1.5 / 2) / (0.5 / 10)),
        ([(1, 0, 2, 2), (1, 0, 2, 1)], (1.5 / 2) / (0.5 / 10)),  # overlapping
        ([(3, 2, 9, 9)], (0.3 / 1) / (1.7 / 11)),  # partly outside
        ([(0, 0, 1, 3)], 0),
        ([(1, 0, 4, 3)], np.inf),  # nothing outside
        ([(0, 0, 4, 3)], np.nan),  # no outside
    ],
)
def test_by_hand(boxes, want):
    assert inside_outside_ratio(MAP, [boxes_of(*boxes)]).item() == pytest.approx(
        want, rel=1e-6, nan_ok=True
    )


@pytest.mark.parametrize("value", [0.25, 1.0])
def test_a_uniform_map_gives_1(value):
    assert inside_outside_ratio(torch.full((1, 7, 9), value), [boxes_of((2, 2, 4, 9))]).item() == 1


def test_an_empty_map_has_nothing_to_say():
    assert inside_outside_ratio(torch.zeros(1, 3, 3), [boxes_of((0, 0, 2, 2))]).isnan().all()


def test_the_mean_leaves_infinity_out_and_the_median_does_not():
    values = np.array([1.0, np.inf, 3.0, np.nan, np.inf])
    figures = about(inside_outside_ratio).figures
    assert figures["Inside / outside"](values=values) == 2
    assert figures["Inside / outside, median"](values=values) == np.inf
    assert median(np.array([4.0, 1.0, np.nan, 2.0])) == 2
    assert median(np.array([4.0, 1.0])) == 2.5
    assert np.isnan(median(np.array([np.nan])))
