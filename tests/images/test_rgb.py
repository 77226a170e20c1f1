"""Every way to store colours, with the pixels it must become."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from helpers.pictures import BLACK, GREY, RED, RGB, WHITE, photograph, pixels, png, stored
from sightline.errors import ImageError
from sightline.images import read


def filled(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (1, 1), colour)


# -- which way is up --

# EXIF 2.3, table 4, tag 0x0112: the side on which the picture's row 0 and its column 0 are seen.
ROW_0 = dict(
    zip(
        range(1, 9),
        ["top", "top", "bottom", "bottom", "left", "right", "right", "left"],
        strict=True,
    )
)
COLUMN_0 = dict(
    zip(
        range(1, 9),
        ["left", "right", "right", "left", "top", "top", "bottom", "bottom"],
        strict=True,
    )
)


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
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "TIFF, by libtiff": {"compression": "tiff_lzw"},
}


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


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
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
    for data in (
        stored(bits, "PNG"),
        stored(bits, "TIFF", compression="group4"),
        stored(bits, "PPM"),
    ):
        assert pixels(data) == [[WHITE, BLACK], [BLACK, WHITE]]


SIXTEEN = np.array(
    [[0, 128, 129, 7 * 257, 32768, 65534, 65535]], np.uint16
)  # 128.5 is half a step of 257
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
    with pytest.raises(
        ImageError, match=r"the Image: expected 8 or 16 bits.*mode 'I'.*float array in \[0"
    ):
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
    assert pixels(png(np.array([[514, 515, 1028]]), GREY, clear=b"\x02\x02")) == [
        [WHITE, [2] * 3, [4] * 3]
    ]


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_pillow_picture_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(
        ImageError, match=f"a picture with pixels; came one of {size[0]} x {size[1]}"
    ):
        read(Image.new("RGB", size))


def test_a_mode_pillow_cannot_convert_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image, mode: str) -> Image.Image:
        raise ValueError("conversion not supported")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(
        ImageError, match=r"expected a colour mode Pillow turns into RGB; came 'LAB' \(con"
    ):
        read(filled("LAB", (0, 0, 0)))
