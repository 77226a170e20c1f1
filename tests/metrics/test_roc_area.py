"""The area under the occlusion curve: by hand, with ties, jumps, ends, zero confidence, and its
slow twin.
"""

import pytest
import torch

from reference.roc_area import roc_area as slowly
from sightline.maps import quantile_mask
from sightline.metrics.roc_area import roc_area


def test_without_ties_it_is_the_trapezoid_rule():
    """Heights 1, 1/2, 1/4, 0 a third apart: (1 + 1/2)/6 + (1/2 + 1/4)/6 + 1/4/6 = 2.5/6."""
    curve, places = torch.tensor([[0.8, 0.4, 0.2, 0.0]]), torch.tensor([[0, 1 / 3, 2 / 3, 1]])
    for jumps in ("late", "line"):
        area = roc_area(torch.tensor([0.8]), curve, places, thetas=4, jumps=jumps)
        assert area.item() == pytest.approx(2.5 / 6, abs=1e-7)


def test_relative_to_its_own_image():
    """Twice the confidence everywhere is the same area; an image is divided by its own Y."""
    torch.manual_seed(0)
    curve = torch.rand(1, 6)
    places = torch.linspace(0, 1, 6).unsqueeze(0)
    full = torch.tensor([0.3, 0.6])
    areas = roc_area(full, torch.cat([curve, 2 * curve]), places.repeat(2, 1), thetas=6)
    assert areas[0].item() == pytest.approx(areas[1].item())


def test_an_increase_counts_in_full():
    assert (
        roc_area(
            torch.tensor([0.25]), torch.tensor([[0.25, 0.75]]), torch.tensor([[0.0, 1.0]]), thetas=2
        )
        == 2
    )


def test_tied_pixels_repeat_a_fraction_and_then_jump():
    """Of ten pixels six are 0.

    Thetas 0, .25, .5 hide nothing; .75 hides 7, 1 leaves the strongest; then all.
    """
    image_map = torch.tensor([[0, 0, 0, 0, 0, 0, 0.1, 0.2, 0.3, 1.0]])
    hidden = [1 - quantile_mask(image_map, k / 4).double().mean(1) for k in range(5)]
    places = torch.stack([*hidden, torch.ones(1)], dim=1)
    assert places[0].tolist() == pytest.approx([0, 0, 0, 0.7, 0.9, 1])
    curve = torch.tensor(
        [[0.5, 0.5, 0.5, 0.3, 0.1, 0.0]], dtype=torch.float64
    )  # relative: 1, 1, 1, .6, .2, 0
    rest = 0.2 * (0.6 + 0.2) / 2 + 0.1 * 0.2 / 2
    late = 0.25 * (1 + 0.6) / 2 + 0.45 * 0.6 + rest
    line = 0.7 * (1 + 0.6) / 2 + rest
    assert roc_area(torch.tensor([0.5]), curve, places, thetas=5).item() == pytest.approx(late)
    assert roc_area(
        torch.tensor([0.5]), curve, places, thetas=5, jumps="line"
    ).item() == pytest.approx(line)


def test_fake_cam_gets_nothing_for_ordering_nothing():
    """1 everywhere but at one pixel: one step down and along the ground, where a straight line
    would give a half.
    """
    places = torch.tensor([[0.0, *[0.01] * 20, 1.0]])
    curve = torch.tensor([[0.8, *[0.8] * 20, 0.0]])
    assert roc_area(torch.tensor([0.8]), curve, places).item() == pytest.approx(
        0.01 + 0.05 / 2, abs=1e-6
    )
    assert roc_area(torch.tensor([0.8]), curve, places, jumps="line").item() == pytest.approx(
        0.505, abs=1e-6
    )


def test_beyond_the_last_point_nothing_is_counted():
    half = roc_area(
        torch.tensor([0.5]), torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 0.5]]), thetas=3
    )
    assert half.item() == 0.5


def test_a_constant_map_and_an_image_without_confidence_say_nothing():
    full, places = torch.tensor([0.5, 0.0]), torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 1.0]])
    assert roc_area(full, torch.full((2, 3), 0.5), places, thetas=3).isnan().all()


@pytest.mark.parametrize("jumps", ["late", "line"])
def test_slow_twin(jumps):
    torch.manual_seed(0)
    maps = torch.rand(4, 30).round(decimals=1)
    thetas = 9
    hidden = [1 - quantile_mask(maps, k / (thetas - 1)).double().mean(1) for k in range(thetas)]
    places = torch.stack([*hidden, torch.ones(4)], dim=1)
    assert (places.diff(dim=1) == 0).any(), "no ties"
    full, curve = torch.tensor([0.2, 0.5, 0.0, 1.0]), torch.rand(4, thetas + 1, dtype=torch.float64)
    want = slowly(full, curve, places, thetas, jumps)
    got = roc_area(full, curve, places, thetas=thetas, jumps=jumps)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9, equal_nan=True)
