"""Deconvnet: two pixels by hand, through `explain`; what it is not."""

import torch

from helpers.two_pixels import PICTURE, network
from sightline import explain


def test_two_pixels_by_hand():
    """What is positive comes back, active or not: 2 x 1 + 5 x -1, and 3 x 1."""
    e = explain(network(), PICTURE, 0, "deconvnet")
    assert e.pixels.tolist() == [[[-3, 3]]]


def test_what_entered_the_rectifiers_does_not_count():
    """Without max pooling the pixels are the same for every picture."""
    for picture in (-PICTURE, torch.zeros(1, 1, 2), torch.full((1, 1, 2), 9.0)):
        assert explain(network(), picture, 0, "deconvnet").pixels.tolist() == [[[-3, 3]]]
