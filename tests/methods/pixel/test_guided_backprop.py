"""Guided backpropagation: two pixels by hand, through `explain`; what it is not."""

import torch

from helpers.two_pixels import PICTURE, network
from sightline import explain


def test_two_pixels_by_hand():
    """The second pixel's path is active, but what comes back on it, -7, is negative."""
    e = explain(network(), PICTURE, 0, "guided_backprop")
    assert e.pixels.tolist() == [[[2, 0]]]


def test_with_the_sign_turned_the_other_path_is_the_positive_one():
    """Against the score 7 comes back on the second path, times -1; on the first -2, and is cut."""
    e = explain(network(), PICTURE, 0, "guided_backprop", counterfactual=True)
    assert e.pixels.tolist() == [[[0, -7]]]


def test_a_picture_that_activates_nothing_shows_nothing():
    e = explain(network(), torch.zeros(1, 1, 2), 0, "guided_backprop")
    assert e.pixels.tolist() == [[[0, 0]]]
