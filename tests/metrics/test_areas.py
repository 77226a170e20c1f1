"""What a box covers, what exceeds a threshold, which places belong together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.boxed_maps import boxes_of
from reference import areas as slow
from sightline.errors import DataError
from sightline.metrics.areas import (
    at,
    counts_above,
    covered,
    in_view,
    min_max,
    overlaps,
    regions,
    spans,
)


@pytest.mark.parametrize(
    ("box", "columns"),
    [
        ((1, 0, 3, 1), [1, 2]),
        ((0.5, 0, 2.5, 1), [0, 1]),  # a left edge on a centre takes it in, a right edge does not
        ((0.6, 0, 2.6, 1), [1, 2]),
        ((1.6, 0, 2.4, 1), []),  # between two centres
        ((-7, 0, 1, 1), [0]),
        ((3, 0, 99, 1), [3]),
        ((4, 0, 9, 1), []),
        ((2, 0, 2, 1), []),
        ((3, 0, 1, 1), []),  # the wrong way round
        ((0, 1, 4, 9), []),  # below the only row
        ((-1e30, -1e30, 1e30, 1e30), [0, 1, 2, 3]),
        ((-np.inf, 0, np.inf, 1), [0, 1, 2, 3]),
    ],
)
def test_a_box_covers_the_pixels_whose_centres_are_in_it(box, columns):
    assert (
        covered([boxes_of(box)], torch.zeros(1, 1, 4))[0, 0].nonzero().flatten().tolist() == columns
    )
    assert len(spans(boxes_of(box), 1, 4)) == bool(columns)


def test_boxes_are_united():
    boxes = boxes_of((0, 0, 2, 2), (1, 1, 3, 3), (1, 1, 2, 2))
    assert covered([boxes], torch.zeros(1, 3, 4)).tolist() == [
        [[True, True, False, False], [True, True, True, False], [False, True, True, False]]
    ]


def test_each_image_needs_its_boxes():
    with pytest.raises(ValueError, match="shorter"):
        covered([boxes_of((0, 0, 1, 1))], torch.zeros(2, 3, 3))


def test_boxes_are_cut_at_the_view():
    boxes = boxes_of((-1, -2, 3, 1.5), (2, 0, 9, 9), (4, 0, 6, 3), (0, -3, 4, 0), (1, 1, 1, 2))
    assert in_view(boxes, 3, 4).tolist() == [[0, 0, 3, 1.5], [2, 0, 4, 3]]
    assert in_view(torch.zeros(0, 4), 3, 4).shape == (0, 4)
    assert in_view(torch.zeros(0), 3, 4).shape == (0, 4)


def test_min_max():
    maps = torch.tensor(
        [[[0.2, 0.6, 1.0]], [[0.0, 0.25, 1.0]], [[0.3, 0.3, 0.3]], [[0.0, 0.0, 0.0]]],
        dtype=torch.float64,
    )
    want = torch.tensor(
        [[[0, 0.5, 1]], [[0, 0.25, 1]], [[0, 0, 0]], [[0, 0, 0]]], dtype=torch.float64
    )
    torch.testing.assert_close(min_max(maps), want, rtol=0, atol=1e-15)


def test_thresholds_may_come_in_any_order_and_twice():
    maps, places = (
        torch.tensor([[[0.0, 0.3, 0.5, 1.0]]]),
        torch.tensor([[[True, True, False, True]]]),
    )
    within, without = counts_above(maps, (0.5, 0.0, 1.0, 0.0), places)
    assert within.tolist() == [[1, 2, 0, 2]]
    assert without.tolist() == [[0, 1, 0, 1]]
    within, without = counts_above(maps, (0.5, 0.0, 1.0, 0.0), places, reaching=True)
    assert within.tolist() == [[1, 3, 1, 3]]
    assert without.tolist() == [[1, 1, 0, 1]]
    assert counts_above(maps, (), places)[0].shape == (1, 0)


def test_maps_that_are_views_of_others_are_counted_too():
    maps = torch.arange(6.0).reshape(1, 2, 3).transpose(1, 2) / 5
    places = torch.ones(1, 3, 2, dtype=torch.bool)
    assert counts_above(maps, (0.5,), places)[0].tolist() == [[3]]


def test_the_figure_at_a_threshold():
    values = np.array([[0.2, 0.6], [0.4, np.nan], [np.nan, np.nan]])
    assert at(0)(values=values, deltas=(0.0, 0.5)) == pytest.approx(0.3)
    assert at(0.5)(values=values, deltas=[0.0, 0.5]) == 0.6
    assert np.isnan(at(0.25)(values=values, deltas=(0.0, 0.5)))
    assert np.isnan(at(0)(values=values[2:], deltas=(0.0, 0.5)))
    assert np.isnan(at(0)(values=values[:0], deltas=(0.0, 0.5)))


def test_places_that_touch_at_a_corner_belong_together():
    found, sizes = regions(np.eye(4, dtype=bool))
    assert found.tolist() == [[0, 0, 4, 4]]
    assert sizes.tolist() == [4]
    found, sizes = regions(np.zeros((3, 4), dtype=bool))
    assert found.shape == (0, 4)
    assert sizes.tolist() == []


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_regions_are_those_of_a_walk_in_its_order(mask):
    found, sizes = regions(mask)
    walked = slow.regions(mask.tolist())
    assert found.tolist() == [list(slow.box(region)) for region in walked]
    assert sizes.tolist() == [len(region) for region in walked]


def test_overlap_of_boxes():
    found = np.array([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 6.0, 6.0]])
    true = np.array([[0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 4.0, 8.0], [9.0, 9.0, 10.0, 10.0]])
    np.testing.assert_allclose(overlaps(found, true), [[1, 8 / 24, 0], [4 / 28, 8 / 24, 0]])


def test_intervals_of_a_signal():
    own = torch.tensor([[1.5, 4.0], [-3.0, 1.0], [4.75, 5.25], [9.0, 99.0]])
    assert spans(own, 6) == [(slice(1, 4),), (slice(0, 1),)]
    assert covered([own], torch.zeros(1, 6)).int().tolist() == [[1, 1, 1, 1, 0, 0]]
    assert in_view(own, 6).tolist() == [[1.5, 4.0], [0.0, 1.0], [4.75, 5.25]]


def test_boxes_of_a_volume_name_its_last_axis_first():
    own = torch.tensor([[0.0, 1, 2, 1, 3, 9]])  # left, top, front, right, bottom, back
    assert spans(own, 4, 5, 6) == [(slice(2, 4), slice(1, 3), slice(0, 1))]
    assert in_view(own, 4, 5, 6).tolist() == [[0, 1, 2, 1, 3, 4]]
    found, sizes = regions(covered([own], torch.zeros(1, 4, 5, 6))[0].numpy())
    assert (found.tolist(), sizes.tolist()) == ([[0, 1, 2, 1, 3, 4]], [4])
    assert overlaps(found, np.array([[0.0, 0, 0, 1, 3, 4]])).tolist() == [[4 / 12]]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (1, r"\[start, end\], one a row, where a map has 1 axis; got the shape \[2, 4\]"),
        (3, r"\[left, top, front, right, bottom, back\], one a row, where a map has 3 axes"),
        (4, "of 8 numbers"),
    ],
)
def test_boxes_of_another_space_are_refused(axes, words):
    own, maps = torch.ones(2, 4), torch.zeros(1, *[3] * axes)
    for refused in (lambda: covered([own], maps), lambda: in_view(own, *maps.shape[1:])):
        with pytest.raises(DataError, match=f"Expected boxes {words}"):
            refused()
    assert not covered([torch.zeros(0, 4)], maps).any(), "none is none anywhere"
