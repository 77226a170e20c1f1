"""Grad-CAM's pointing game with rejection, by hand and against its twin."""

import pytest
import torch

from helpers.boxed_maps import HEIGHT, WIDTH, boxes_of, spread
from reference.pointing_game_top5 import pointing_game_top5 as slow
from sightline.metrics.metric import about
from sightline.metrics.pointing_game_top5 import pointing_game_top5

LEFT, RIGHT = boxes_of((0, 0, 2, 1)), boxes_of((4, 0, 6, 1))
ABSENT = torch.zeros(0, 4)
POINTS_LEFT = torch.tensor([[0.2, 1.0, 0.0, 0.0, 0.0, 0.1]])


@pytest.mark.parametrize(
    ("peak", "boxes", "value"),
    [
        (5.0, LEFT, 1),
        (5.0, RIGHT, 0),
        (2.0, LEFT, 0),  # there, and rejected: a peak at the threshold is not above it
        (1.0, RIGHT, 0),
        (1.0, ABSENT, 1),  # rightly rejected
        (2.0, ABSENT, 1),
        (2.1, ABSENT, 0),  # found where it is not
        (5.0, torch.zeros(0), 0),
        (-3.0, torch.zeros(0), 1),
        (5.0, torch.cat([RIGHT, LEFT]), 1),
        (5.0, boxes_of((9, 0, 12, 1)), float("nan")),  # in the photograph, not in the view
        (0.0, boxes_of((9, 0, 12, 1)), float("nan")),
    ],
)
def test_by_hand(peak, boxes, value):
    got = pointing_game_top5(
        POINTS_LEFT[None, None], torch.tensor([[peak]]), [[boxes]], reject_below=2, tolerance=0
    ).item()
    assert got == pytest.approx(value, nan_ok=True)


def test_nothing_is_rejected_below_a_very_low_threshold_and_an_empty_map_misses():
    maps = torch.stack([POINTS_LEFT, 0 * POINTS_LEFT, 0 * POINTS_LEFT])[None]
    peaks = torch.tensor([[3.0, -1.0, -1.0]])
    boxes = [[LEFT, LEFT, ABSENT]]
    assert pointing_game_top5(maps, peaks, boxes, reject_below=-1e30, tolerance=0).tolist() == [
        [1, 0, 0]
    ]
    assert pointing_game_top5(maps, peaks, boxes, tolerance=0).tolist() == [[1, 0, 1]]


def test_the_tolerance_is_that_of_the_pointing_game():
    got = [
        pointing_game_top5(POINTS_LEFT[None, None], torch.ones(1, 1), [[RIGHT]], tolerance=t).item()
        for t in (3, 3.1)
    ]
    assert got == [0, 1]


@pytest.mark.parametrize("seed", range(10))
def test_the_slow_twin_and_images_one_by_one(seed):
    torch.manual_seed(seed)
    maps = torch.rand(6, 5, HEIGHT, WIDTH)
    peaks = torch.randn(6, 5)
    boxes = [[spread(n) for n in torch.randint(0, 3, (5,)).tolist()] for _ in range(6)]
    boxes[2][1] = boxes_of((50, 0, 60, 9))
    boxes[4] = None
    got = pointing_game_top5(maps, peaks, boxes, reject_below=-0.5, tolerance=2)
    want = slow(maps, peaks, boxes, -0.5, 2)
    torch.testing.assert_close(got, want, rtol=0, atol=0, equal_nan=True)
    assert got[4].isnan().all()
    singly = [
        pointing_game_top5(
            maps[k : k + 1], peaks[k : k + 1], boxes[k : k + 1], reject_below=-0.5, tolerance=2
        )
        for k in range(6)
    ]
    torch.testing.assert_close(got, torch.cat(singly), rtol=0, atol=0, equal_nan=True)


def test_the_figure_is_hits_over_all():
    values = torch.tensor(
        [[1.0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [float("nan")] * 5], dtype=torch.float64
    )
    assert about(pointing_game_top5).figures["Pointing game, top 5"](values=values.numpy()) == 0.5
