"""The energy pointing game by hand."""

import pytest
import torch

from helpers.boxed_maps import boxes_of, drawn
from sightline.metrics.energy_pointing_game import energy_pointing_game
from sightline.metrics.metric import about

MAP = drawn("""
    0500
    0x20
    0003
""")


@pytest.mark.parametrize(
    ("boxes", "want"),
    [
        ([(1, 0, 2, 2)], 15 / 20),
        ([(1, 0, 3, 2)], 17 / 20),
        ([(1, 0, 2, 2), (1, 1, 3, 2), (1, 1, 2, 2)], 17 / 20),  # overlapping
        ([(3, 2, 70, 70)], 3 / 20),  # partly outside
        ([(0, 0, 4, 3)], 1),
        ([(0, 0, 1, 3)], 0),
    ],
)
def test_by_hand(boxes, want):
    assert energy_pointing_game(MAP, [boxes_of(*boxes)]).item() == pytest.approx(want, rel=1e-6)


def test_a_uniform_map_scores_the_share_of_the_boxes():
    assert energy_pointing_game(torch.ones(1, 10, 10), [boxes_of((0, 0, 5, 4))]).item() == 0.2


def test_a_floor_counts():
    """Not min-max scaled: of 1 + 4 x 0.5 a third is in the box."""
    floor = torch.tensor([[[1.0, 0.5, 0.5, 0.5, 0.5]]])
    assert energy_pointing_game(floor, [boxes_of((0, 0, 1, 1))]).item() == pytest.approx(1 / 3)


def test_an_empty_map_has_nothing_to_say():
    assert energy_pointing_game(torch.zeros(1, 3, 3), [boxes_of((0, 0, 2, 2))]).isnan().all()


def test_many_small_values_are_added_exactly():
    maps = torch.full((1, 2000, 2000), 0.1)
    assert energy_pointing_game(maps, [boxes_of((0, 0, 2000, 500))]).item() == pytest.approx(
        0.25, rel=1e-12
    )


def test_what_is_said_of_it():
    assert (about(energy_pointing_game).unit, about(energy_pointing_game).scale) == ("%", 100)
    assert about(energy_pointing_game).higher_is_better is True
