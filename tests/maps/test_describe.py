"""A map put into one sentence: place, share and number of spots, on maps one can draw by hand."""

import pytest
import torch

from sightline.maps.describe import place, sentence


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        (0, 0, "upper left"),
        (0, 15, "upper centre"),
        (29, 29, "lower right"),
        (15, 15, "centre"),
        (15, 0, "middle left"),
        (9, 10, "upper centre"),
        (10, 9, "middle left"),
    ],
)
def test_a_pixel_s_place_on_a_grid_of_nine(row, column, words):
    assert place(row, column, 30, 30) == words


def test_share_and_spots_are_counted_above_half_the_maximum():
    map = torch.zeros(10, 10)
    map[:2, :5] = 0.4  # below half: nothing
    map[4:6, 4:6] = 0.8
    map[9, 9] = 0.6
    assert sentence(map) == (
        "Strongest at the centre; strong evidence on 5 % of the picture, in 2 spots."
    )
    map[9, 9] = 0.4
    assert sentence(map) == (
        "Strongest at the centre; strong evidence on 4 % of the picture, in one spot."
    )


def test_a_map_of_zeros_or_nan_says_that_nothing_speaks_for_the_class():
    words = "No place speaks for this class on balance; the map is zero."
    assert sentence(torch.zeros(3, 3)) == words
    assert sentence(torch.full((3, 3), torch.nan)) == words
