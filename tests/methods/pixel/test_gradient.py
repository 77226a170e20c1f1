"""Gradient: two pixels by hand, through `explain`; what it is not."""

import torch

from helpers.two_pixels import PICTURE, network
from sightline import explain


def test_two_pixels_by_hand():
    """The first pixel is heard through 2 x 1, the second through -7 x -1."""
    e = explain(network(), PICTURE, 0, "gradient")
    assert e.pixels.tolist() == [[[2, 7]]]


def test_the_map_is_the_size_of_the_derivative_over_the_largest():
    e = explain(network(), PICTURE, 0, "gradient")
    torch.testing.assert_close(e.maps, torch.tensor([[2 / 7, 1.0]]))
    against = explain(network(), PICTURE, 0, "gradient", counterfactual=True)
    assert against.pixels.tolist() == [[[-2, -7]]]
