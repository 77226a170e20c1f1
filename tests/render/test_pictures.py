import pytest
import torch

from sightline.errors import ImageError
from sightline.render import explanation_map, heat, pixels_picture


def test_heat_is_the_colour_map_itself():
    drawn = heat(torch.tensor([[0.0, 1.0]]))
    assert drawn.mode == "RGB"
    assert [drawn.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 4), (252, 255, 164)]
    assert heat(torch.tensor([[0.0]]), colours="viridis").getpixel((0, 0)) == (68, 1, 84)


def test_the_explanation_map_is_the_product():
    image = torch.tensor([1.0, 0.6, 0.2]).view(3, 1, 1).expand(3, 1, 3)
    drawn = explanation_map(image, torch.tensor([[0.0, 0.5, 1.0]]))
    assert [drawn.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 77, 26), (255, 153, 51)]


def test_the_explanation_map_of_a_coarse_map_is_as_large_as_the_photograph():
    assert explanation_map(torch.ones(3, 8, 12), torch.ones(2, 3)).getextrema() == ((255, 255),) * 3
    assert explanation_map(torch.ones(3, 8, 12), torch.ones(2, 3)).size == (12, 8)


def test_gradients_stand_symmetric_around_mid_grey():
    gradients = torch.zeros(3, 1, 3)
    gradients[:, 0, 0] = torch.tensor([2.0, -2.0, 1.0])
    drawn = pixels_picture(gradients, percentile=100)
    assert drawn.getpixel((0, 0)) == (255, 0, 191)
    assert drawn.getpixel((1, 0)) == (128, 128, 128)


def test_a_stray_pixel_does_not_turn_the_rest_grey():
    gradients = torch.ones(3, 20, 20)
    gradients[0, 0, 0] = 1e6
    assert pixels_picture(gradients).getpixel((5, 5)) == (255, 255, 255)
    assert pixels_picture(gradients, percentile=100).getpixel((5, 5)) == (128, 128, 128)


def test_a_sparse_guided_product_is_still_seen():
    """Fewer places than the percentile leaves out: then the percentile of those that are not 0."""
    gradients = torch.zeros(3, 200, 200)
    gradients[1, 7] = -0.01
    gradients[0, 0, 0] = 1e6
    drawn = pixels_picture(gradients)
    assert drawn.getpixel((9, 7)) == (128, 0, 128)
    assert drawn.getpixel((7, 9)) == (128, 128, 128)


def test_scale_does_not_matter_and_nothing_is_mid_grey():
    gradients = torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(3))
    assert pixels_picture(gradients * 1e-6).tobytes() == pixels_picture(gradients).tobytes()
    assert pixels_picture(torch.zeros(3, 2, 2)).getextrema() == ((128, 128),) * 3


def test_half_precision_with_a_graph():
    assert (
        pixels_picture(torch.ones(3, 2, 2, dtype=torch.float16, requires_grad=True)).getpixel(
            (0, 0)
        )
        == (255,) * 3
    )


@pytest.mark.parametrize(
    ("gradients", "says"),
    [
        (torch.zeros(1, 3, 4, 4), r"came the shape \[1, 3, 4, 4\].*gradients\[0\]"),
        (torch.full((3, 2, 2), float("inf")), "NaN or infinity"),
    ],
)
def test_what_are_no_gradients_of_one_image(gradients, says):
    with pytest.raises(ImageError, match=says):
        pixels_picture(gradients)


@pytest.mark.parametrize("percentile", [0, 101.0])
def test_a_percentile_out_of_range(percentile):
    with pytest.raises(ImageError, match="above 0, up to 100"):
        pixels_picture(torch.ones(3, 1, 1), percentile=percentile)
