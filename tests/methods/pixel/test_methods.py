"""The methods in pixel space: three hand on what came back, each names the rule it needs."""

import inspect

import pytest
import torch

from sightline.methods.pixel import PIXELSPACE

GRIDS = [(7,), (4, 5), (2, 3, 4)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", ["gradient", "guided_backprop", "deconvnet"])
def test_what_came_back_is_the_picture_signs_and_all(name, grid):
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, *grid)
    assert torch.equal(PIXELSPACE[name](pixels), pixels)
    assert (pixels < 0).any()


def test_each_names_the_rule_it_needs():
    asked = {
        name: next(iter(inspect.signature(function).parameters))
        for name, function in PIXELSPACE.items()
    }
    assert asked == {
        "gradient": "input_gradients",
        "guided_backprop": "guided_gradients",
        "deconvnet": "deconvnet_gradients",
        "guided_cam": "guided_gradients",
        "full_grad": "products",
    }
