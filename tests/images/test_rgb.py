"""Every way to store colours, with the pixels it must become."""

import io
import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from images.pictures import GREY, RGB, photograph, png, stored
from sightline.errors import ImageError
from sightline.images import read

WHITE, BLACK, RED = [255, 255, 255], [0, 0, 0], [255, 0, 0]


def pixels(source: object) -> list[list[list[int]]]:
    picture = read(source)
    assert type(picture) is Image.Image
    assert picture.mode == "RGB"
    return np.asarray(picture).tolist()


def filled(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (1, 1), colour)


# -- which way is up --

# EXIF 2.3, table 4, tag 0x0112: the side on which the picture's row 0 and its column 0 are seen.
ROW_0 = dict(zip(range(1, 9), ["top", "top", "bottom", "bottom", "left", "right", "right", "left"], strict=True))
COLUMN_0 = dict(zip(range(1, 9), ["left", "right", "right", "left", "top", "top", "bottom", "bottom"], strict=True))


def seen_upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """The standard's sentence, pixel by pixel."""
    rows, columns = array.shape[:2]
    lying = ROW_0[orientation] in ("left", "right")
    upright = np.empty((columns, rows, 3) if lying else (rows, columns, 3), np.uint8)
    for r, c in itertools.product(range(rows), range(columns)):
        along = r if ROW_0[orientation] in ("top", "left") else rows - 1 - r
        across = c if COLUMN_0[orientation] in ("top", "left") else columns - 1 - c
        upright[(across, along) if lying else (along, across)] = array[r, c]
    return upright


FORMATS = {
    "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "TIFF, by libtiff": {"compression": "tiff_lzw"},
}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", FORMATS)
def test_exif_orientation_is_undone(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = photograph(5, 7)
    data = stored(Image.fromarray(picture), kind.split(",")[0], exif=exif, **FORMATS[kind])
    expected = seen_upright(picture, orientation).tolist()
    assert pixels(data) == expected
    with Image.open(io.BytesIO(data)) as opened:
        assert pixels(opened) == expected
        assert pixels(read(opened)) == expected  # nothing is left that would turn it again


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_lying_jpeg_stands_up(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    corners = np.kron([[0, 80], [160, 250]], np.ones((16, 24))).astype(np.uint8)
    got = read(stored(Image.fromarray(corners), "JPEG", quality=95, exif=exif))
    turned = seen_upright(np.stack([corners] * 3, axis=-1), orientation)
    assert np.abs(np.asarray(got).astype(int) - turned).max() <= 3


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_unreadable_exif_turns_nothing(exif: bytes) -> None:
    assert pixels(stored(Image.fromarray(photograph()), "PNG", exif=exif)) == photograph().tolist()


def test_an_orientation_that_does_not_exist_turns_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert pixels(stored(Image.fromarray(photograph()), "PNG", exif=exif)) == photograph().tolist()


# -- how bright --


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (filled("1", 1), WHITE),
        (filled("1", 0), BLACK),
        (filled("L", 77), [77] * 3),
        (filled("RGB", (1, 2, 3)), [1, 2, 3]),
        (filled("RGBX", (1, 2, 3, 4)), [1, 2, 3]),
        (filled("CMYK", (255, 0, 0, 0)), [0, 255, 255]),
        (filled("CMYK", (0, 255, 255, 0)), RED),
        (filled("CMYK", (0, 0, 0, 255)), BLACK),
        (filled("CMYK", (0, 0, 0, 0)), WHITE),
        (filled("YCbCr", (255, 128, 128)), WHITE),
        (filled("YCbCr", (76, 85, 255)), [254, 0, 0]),  # BT.601: 76 + 1.402 * 127 = 254
        (filled("HSV", (0, 255, 255)), RED),
        (filled("F", 0.5), [128] * 3),
        (filled("I;16", 65535), WHITE),
        (filled("I;16B", 257 * 9), [9] * 3),
    ],
    ids=lambda value: getattr(value, "mode", str(value)),
)
def test_every_mode_of_pillow(picture: Image.Image, expected: list[int]) -> None:
    assert pixels(picture) == [[expected]]


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    data = stored(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
    assert np.abs(np.array(pixels(data)) - [0, 255, 255]).max() <= 3


def test_a_jpeg_comes_close_to_what_was_stored() -> None:
    data = stored(Image.new("RGB", (16, 16), (200, 100, 50)), "JPEG", quality=95)  # stored as YCbCr
    assert np.abs(np.array(pixels(data)) - [200, 100, 50]).max() <= 3


def test_one_bit_files() -> None:
    bits = Image.fromarray(np.array([[True, False], [False, True]]))
    for data in (stored(bits, "PNG"), stored(bits, "TIFF", compression="group4"), stored(bits, "PPM")):
        assert pixels(data) == [[WHITE, BLACK], [BLACK, WHITE]]


SIXTEEN = np.array([[0, 128, 129, 7 * 257, 32768, 65534, 65535]], np.uint16)  # 128.5 is half a step of 257
EIGHT = [[[v] * 3 for v in (0, 0, 1, 7, 128, 255, 255)]]


@pytest.mark.parametrize(
    "data",
    [
        png(SIXTEEN, GREY),
        b"P5 7 1 65535\n" + SIXTEEN.astype(">u2").tobytes(),
        stored(Image.fromarray(SIXTEEN), "TIFF"),
        stored(Image.fromarray(SIXTEEN.astype(">u2")), "TIFF"),
        stored(Image.fromarray(SIXTEEN), "TIFF", compression="tiff_lzw"),
    ],
    ids=["png", "ppm", "tiff", "tiff big-endian", "tiff lzw"],
)
def test_sixteen_bits_of_grey_are_scaled_to_the_nearest(data: bytes) -> None:
    assert pixels(data) == EIGHT


def test_sixteen_bits_scale_as_the_plain_formula_says() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(np.asarray(read(every))[..., 0], np.rint(every * (255 / 65535)))
    assert np.array_equal(np.asarray(read(every.astype(">u2"))), np.asarray(read(every)))


def test_of_sixteen_bit_colour_the_upper_bits_are_kept() -> None:
    assert pixels(png(np.array([[[0x1234, 0x56FF, 0xFFFF]]]), RGB)) == [[[0x12, 0x56, 0xFF]]]


def test_integers_that_do_not_say_what_white_is_are_refused() -> None:
    with pytest.raises(ImageError, match=r"the Image: expected 8 or 16 bits.*mode 'I'.*float array in \[0"):
        read(filled("I", 1000))


def test_a_float_picture_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ImageError, match=r"expected floats in \[0, 1\]; came values from 3 to 3\."):
        read(stored(filled("F", 3.0), "TIFF"))


# -- what is transparent --


def test_alpha_is_laid_on_white_to_the_nearest_step() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    every = np.stack([colour, colour, colour, alpha], axis=-1).astype(np.uint8)
    expected = np.rint((colour * alpha + 255 * (255 - alpha)) / 255)  # no ties: 255 is odd
    assert np.array_equal(np.asarray(read(every))[..., 1], expected)


def test_an_opaque_alpha_changes_nothing() -> None:
    rgb = photograph()
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert pixels(rgba) == pixels(Image.fromarray(rgba)) == rgb.tolist()
    grey = Image.fromarray(rgb[..., 0])
    assert pixels(Image.merge("LA", [grey, Image.new("L", grey.size, 255)])) == pixels(grey)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (filled("RGBA", (255, 0, 0, 51)), [255, 204, 204]),
        (filled("LA", (0, 51)), [204] * 3),
        (filled("RGBa", (51, 0, 0, 51)), [255, 204, 204]),  # premultiplied: the same red
        (filled("LA", (0, 51)).convert("La"), [204] * 3),
        (filled("RGBA", (9, 9, 9, 0)), WHITE),
    ],
    ids=["RGBA", "LA", "RGBa", "La", "clear"],
)
def test_a_fifth_of_a_colour_on_white(picture: Image.Image, expected: list[int]) -> None:
    assert pixels(picture) == [[expected]]


def palette() -> Image.Image:
    picture = Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2])
    return picture


def test_a_palette() -> None:
    assert pixels(stored(palette(), "PNG")) == [[RED, [0, 255, 0], [0, 0, 255]]]


def test_a_palette_with_one_clear_colour() -> None:
    for kind in ("PNG", "GIF"):
        assert pixels(stored(palette(), kind, transparency=1)) == [[RED, WHITE, [0, 0, 255]]]


def test_a_palette_with_an_alpha_for_each_colour() -> None:
    data = stored(palette(), "PNG", transparency=bytes([255, 0, 51]))
    assert pixels(data) == [[RED, WHITE, [204, 204, 255]]]


def test_the_palette_of_a_given_picture_is_left_alone() -> None:
    picture = palette()
    picture.info["transparency"] = bytes([255, 0, 51])
    before = picture.copy()
    assert pixels(picture) == [[RED, WHITE, [204, 204, 255]]]
    assert picture == before  # mode, pixels, palette and info
    assert picture.im.getpalette("RGBA", "RGBA") == before.im.getpalette("RGBA", "RGBA")


def test_pa_is_a_palette_and_an_alpha() -> None:
    assert pixels(palette().convert("PA")) == [[RED, [0, 255, 0], [0, 0, 255]]]


def test_one_clear_colour_of_grey_colour_and_bits() -> None:
    assert pixels(stored(filled("L", 7), "PNG", transparency=7)) == [[WHITE]]
    assert pixels(stored(filled("L", 7), "PNG", transparency=8)) == [[[7] * 3]]
    assert pixels(stored(filled("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3))) == [[WHITE]]
    assert pixels(stored(filled("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 4))) == [[[1, 2, 3]]]
    assert pixels(stored(filled("1", 0), "PNG", transparency=0)) == [[WHITE]]
    assert pixels(png(np.array([[514, 515, 1028]]), GREY, clear=b"\x02\x02")) == [[WHITE, [2] * 3, [4] * 3]]


# -- arrays and tensors --


def test_arrays_of_every_layout() -> None:
    rgb = photograph()
    assert pixels(rgb) == rgb.tolist()
    assert pixels(rgb[::-1, ::2]) == rgb[::-1, ::2].tolist()  # a view, not contiguous
    assert pixels(rgb[..., 0]) == pixels(rgb[..., :1]) == rgb[..., [0, 0, 0]].tolist()
    assert pixels(np.array([[True, False]])) == [[WHITE, BLACK]]
    assert pixels(np.array([[[65535, 0, 129, 65535]]], np.uint16)) == [[[255, 0, 1]]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_arrays_are_rounded_to_8_bits(dtype: str) -> None:
    steps = np.arange(256)
    assert pixels((steps / 255)[None].astype(dtype)) == [[[v] * 3 for v in steps]]
    assert pixels(np.array([[[1, 0, 0.2, 0.5]]], dtype)) == pixels(np.array([[[255, 0, 51, 128]]], np.uint8))


def test_rounding_errors_of_whoever_scaled_a_float_array_are_forgiven() -> None:
    assert pixels(np.array([[-1e-7, 1 + 1e-7]])) == [[BLACK, WHITE]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 255], r"came values from 0 to 255\. Divide by 255"),
        ([-1, 1], r"came values from -1 to 1\. Rescale it first"),
        ([-2.1, 2.6], r"came values from -2.1 to 2.6\. Rescale it first"),
        ([0, 1.001], r"came values from 0 to 1.001\."),
        ([-0.001, 1], r"came values from -0.001 to 1\."),
        ([0, float("nan")], r"came values from nan to nan"),
        ([0, float("inf")], r"came values from 0 to inf"),
    ],
)
def test_floats_outside_0_to_1_are_refused_with_their_range(values: list[float], message: str) -> None:
    with pytest.raises(ImageError, match=r"the ndarray: expected floats in \[0, 1\]; " + message):
        read(np.array([values], float))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 8, 9), r"came shape \[3, 8, 9\]\. Channels come last: array.transpose\(1, 2, 0\)"),
        ((1, 8, 9), r"came shape \[1, 8, 9\]\. Channels come last"),
        ((2, 8, 9, 3), r"came shape \[2, 8, 9, 3\]\. It looks like a batch: give prepare \[b, h, w, 3\]"),
        ((8, 9, 2), r"came shape \[8, 9, 2\]\. Bring height"),
        ((8, 9, 5), r"came shape \[8, 9, 5\]\. Bring height"),
        ((9,), r"came shape \[9\]\. Bring height"),
        ((1, 1, 2, 8, 9), r"came shape \[1, 1, 2, 8, 9\]\. Bring height"),
        ((), r"came shape \[\]\. Bring height"),
        ((0, 9, 3), r"with pixels; came shape \[0, 9, 3\]"),
        ((8, 0), r"with pixels; came shape \[8, 0\]"),
    ],
)
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ImageError, match=r"the ndarray: expected an array \[h, w\].*" + message):
        read(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint32", "complex64", "object", "datetime64[s]"])
def test_arrays_of_other_types_are_refused(dtype: str) -> None:
    message = r"expected an array of uint8, uint16, bool or float; came .* For values 0 to 255 give array"
    with pytest.raises(ImageError, match=message) as error:
        read(np.zeros((2, 2), dtype))
    assert f"came {dtype}." in str(error.value)


def test_tensors() -> None:
    rgb = photograph()
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    assert pixels(tensor) == pixels(tensor.contiguous()) == rgb.tolist()
    assert pixels(tensor[:1]) == rgb[..., [0, 0, 0]].tolist()
    clear = torch.zeros(1, *tensor.shape[1:], dtype=torch.uint8)
    assert pixels(torch.cat([tensor, clear])) == np.full_like(rgb, 255).tolist()


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            torch.zeros(3, 8, 9),
            r"came float32 of shape \[3, 8, 9\]\. A float tensor is taken for a model's",
        ),
        (torch.zeros(3, 8, 9, dtype=torch.int64), r"came int64 of shape \[3, 8, 9\]\..*\.byte\(\)"),
        (torch.zeros(8, 9, 3, dtype=torch.uint8), r"came uint8 of shape \[8, 9, 3\]\..*permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 8, 9, dtype=torch.uint8), r"of shape \[2, 3, 8, 9\]\. It looks like a batch"),
        (torch.zeros(8, 9, dtype=torch.uint8), r"of shape \[8, 9\]\. Bring colours"),
        (torch.zeros(3, 0, 9, dtype=torch.uint8), r"of shape \[3, 0, 9\]\. It has no pixels"),
    ],
    ids=lambda value: str(list(value.shape)) if isinstance(value, torch.Tensor) else "",
)
def test_other_tensors_are_refused(tensor: torch.Tensor, message: str) -> None:
    with pytest.raises(ImageError, match=r"the Tensor: expected a uint8 tensor \[1, h, w\].*" + message):
        read(tensor)


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_pillow_picture_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"a picture with pixels; came one of {size[0]} x {size[1]}"):
        read(Image.new("RGB", size))


def test_a_mode_pillow_cannot_convert_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image, mode: str) -> Image.Image:
        raise ValueError("conversion not supported")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(ImageError, match=r"expected a colour mode Pillow turns into RGB; came 'LAB' \(con"):
        read(filled("LAB", (0, 0, 0)))
