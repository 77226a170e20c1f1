"""Grad-CAM++ of a log-probability by hand: its alpha is that of no class, the class enters once.

Against autograd, with the other forms of the score: `test_score_forms.py`.
"""

import pytest
import torch

from sightline.methods import grad_cam_pp_log_softmax

SLOPES = torch.tensor([2.0, 1.0, -1.0], dtype=torch.float64).reshape(3, 1, 1, 1)
"""The gradients of three classes at one position of one channel."""


def weight(activation, chances, explained=0, slopes=SLOPES, **options):
    return grad_cam_pp_log_softmax(
        torch.full((1, 1, 1), activation, dtype=torch.float64),
        slopes,
        torch.tensor([chances], dtype=torch.float64),
        torch.tensor([explained]),
        **options,
    ).item()


@pytest.mark.parametrize(("activation", "want"), [(0.0, 0.5), (0.5, 2 / 3)])
def test_three_classes_by_hand(activation, want):
    """m = 1, so d = 1, v = 1/2 + 4/4 = 3/2, t = 1/2 - 8/4 = -3/2: alpha = -3/2 / (-3 + 3/2 A)."""
    assert weight(activation, [0.5, 0.25, 0.25]) == pytest.approx(want)


def test_where_alpha_reaches_one_the_guard_takes_a_half():
    """At A = 1 the same alpha is -3/2 / -3/2 = 1."""
    counted = []
    tally = lambda word, places: counted.append((word, int(places.sum())))  # noqa: E731
    assert weight(1.0, [0.5, 0.25, 0.25], guard=False) == 1
    assert weight(1.0, [0.5, 0.25, 0.25], tally=tally) == 0.5
    assert counted == [("guarded", 1)]


def test_two_classes_share_one_alpha():
    """m = 1/4: d is 7/4 for the first class and 3/4 for the second, and so are their weights."""
    first, second = (weight(1.0, [0.25, 0.25, 0.5], explained=c) for c in (0, 1))
    assert first / second == pytest.approx(7 / 3)
    assert weight(1.0, [0.25, 0.25, 0.5], explained=2) == 0  # d = -5/4


def test_classes_that_all_rise_alike_say_nothing():
    """d, v and t are 0, and alpha 0/0: no evidence, and no nan."""
    flat = torch.ones_like(SLOPES)
    found = [weight(1.0, [0.5, 0.25, 0.25], slopes=flat, guard=guard) for guard in (True, False)]
    assert found == [0, 0]
