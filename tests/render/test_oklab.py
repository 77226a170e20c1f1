"""From OKLab to sRGB: the published example values, and colours no screen can show."""

import pytest
import torch

from sightline.render.oklab import from_oklab


@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((0.627955, 0.224863, 0.125846), (1, 0, 0)),
        ((0.866440, -0.233888, 0.179498), (0, 1, 0)),
        ((0.452014, -0.032457, -0.311528), (0, 0, 1)),
        ((0.599871, 0.0, 0.0), (0.5, 0.5, 0.5)),
    ],
)
def test_primaries_and_grey(lab, rgb):
    found = from_oklab(torch.tensor([lab]))
    torch.testing.assert_close(found, torch.tensor([rgb]).float(), atol=2e-3, rtol=0)


def test_a_colour_no_screen_can_show_is_clipped():
    found = from_oklab(torch.tensor([[0.7, 0.5, 0.0]]))
    assert found.min() == 0
    assert found.max() == 1
