import pytest
import torch
from PIL import Image

from sightline.errors import ImageError
from sightline.maps.upsample import image_map
from sightline.render.convert import enlarged, on_white, photograph, picture, signed, unit


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.uint8]
)
def test_any_type_with_or_without_a_graph(dtype):
    map = torch.tensor([[0, 1]], dtype=dtype)
    if dtype.is_floating_point:
        map.requires_grad_()
    plain = unit(map)
    assert plain.dtype == torch.float32
    assert not plain.requires_grad
    assert plain.tolist() == [[0, 1]]


def test_a_picture_is_read_in_rgb():
    assert photograph(Image.new("RGB", (2, 1), (255, 51, 0)))[0, 0].tolist() == pytest.approx(
        [1, 0.2, 0]
    )
    assert photograph(torch.tensor([1.0, 0.2, 0.0]).view(3, 1, 1))[0, 0].tolist() == pytest.approx(
        [1, 0.2, 0]
    )


def test_every_8_bit_value_survives_the_way_there_and_back():
    ramp = Image.frombytes(
        "RGB", (256, 1), bytes(v for value in range(256) for v in (value, 255 - value, 7))
    )
    assert picture(photograph(ramp)).tobytes() == ramp.tobytes()


def test_rounding_errors_at_the_ends_are_cut_off():
    assert unit(torch.tensor([[-0.0005, 1.0005]])).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("map", "says"),
    [
        (torch.zeros(1, 4, 4), r"came the shape \[1, 4, 4\].*maps\[0\]"),
        (torch.zeros(0, 4), r"came the shape \[0, 4\]"),
        (torch.tensor([[0.0, 3.0]]), r"came values from 0 to 3.*image_map"),
        (torch.tensor([[-0.5, 1.0]]), r"came values from -0.5 to 1.*signed_overlay"),
        (torch.tensor([[0.0, float("nan")]]), "NaN or infinity.*status"),
    ],
)
def test_what_is_no_map_in_0_1(map, says):
    with pytest.raises(ImageError, match=says):
        unit(map)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (torch.zeros(4, 4, 3), r"came the shape \[4, 4, 3\].*colours first"),
        (torch.zeros(1, 3, 4, 4), r"images\[0\]"),
        (torch.full((3, 2, 2), 200, dtype=torch.uint8), "Divide 8-bit values by 255"),
        (torch.full((3, 2, 2), -2.1), "normalised input is no picture"),
    ],
)
def test_what_is_no_image_in_0_1(image, says):
    with pytest.raises(ImageError, match=says):
        photograph(image)


def test_signed_maps_are_scaled_by_their_largest_magnitude():
    assert signed(torch.tensor([[-4.0, 1.0]])).tolist() == [[-1, 0.25]]
    assert signed(torch.tensor([[-4.0, 1.0]]), 2).tolist() == [[-1, 0.5]]
    assert signed(torch.zeros(1, 2)).tolist() == [[0, 0]]


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none(limit):
    with pytest.raises(ImageError, match="Expected a limit above 0"):
        signed(torch.ones(1, 1), limit)


def test_enlarges_as_the_path_does():
    coarse = torch.rand(7, 5, generator=torch.Generator().manual_seed(1))
    coarse /= coarse.max()
    fine = enlarged(coarse, 28, 25)
    assert torch.allclose(fine / fine.max(), image_map(coarse[None], (28, 25))[0], atol=1e-6)


def test_transparent_is_white_in_every_mode():
    half = on_white(Image.new("RGBA", (1, 1), (255, 0, 0, 128))).getpixel((0, 0))
    assert half == (255, 127, 127)
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([0, 0, 255])
    palette.info["transparency"] = 0
    assert on_white(palette).getpixel((0, 0)) == (255, 255, 255)
    assert on_white(Image.new("L", (1, 1), 9)).getpixel((0, 0)) == (9, 9, 9)
