"""Files as they come: empty, cut off, enormous, or no pictures at all."""

import importlib
import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from helpers.pictures import GREY, photograph, png, stored
from sightline.errors import ImageError
from sightline.images import MAX_PIXELS, read

PICTURE = Image.fromarray(photograph())
FILES = {
    "JPEG": stored(PICTURE, "JPEG"),
    "JPEG progressive": stored(PICTURE, "JPEG", progressive=True),
    "PNG": stored(PICTURE, "PNG"),
    "GIF": stored(PICTURE.convert("P"), "GIF"),
    "BMP": stored(PICTURE, "BMP"),
    "WEBP": stored(PICTURE, "WEBP"),
    "TIFF": stored(PICTURE, "TIFF"),
    "TIFF lzw": stored(PICTURE, "TIFF", compression="tiff_lzw"),
    "PPM": stored(PICTURE, "PPM"),
}
HUGE = png(
    np.zeros((1, 1)), GREY, size=(20_000, 10_000)
)  # a header that promises; hardly a pixel behind it


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_off_anywhere_is_whole_or_an_error(kind: str) -> None:
    data = FILES[kind]
    whole = np.asarray(read(data))
    assert np.abs(whole.astype(int) - photograph()).mean() < 16  # that picture, if in few colours
    outcomes = set()
    for length in [
        *range(0, 40),
        *range(40, len(data) - 30, 17),
        *range(len(data) - 30, len(data)),
    ]:
        try:
            picture = np.asarray(read(data[:length]))
        except ImageError as error:
            outcome = next(word for word in ("empty", "truncated", "none") if word in str(error))
            assert outcome != "empty" or length == 0
            assert outcome != "none" or length < 16  # too short to be recognised at all
            outcomes.add(outcome)
        else:  # every pixel was there already, the end mark was not
            assert np.array_equal(picture, whole), length
    assert outcomes == {"empty", "none", "truncated"}


@pytest.mark.parametrize(
    ("kind", "keep", "message"),
    [
        (
            "JPEG",
            0.7,
            r"scan\.x: expected a whole picture; came a truncated or damaged JPEG file \(.+\)\.",
        ),
        (
            "PNG",
            0.7,
            r"scan\.x: expected a whole picture; came a truncated or damaged PNG file \(.+\)\.",
        ),
        ("JPEG", 0.02, r"came a truncated or damaged .*JPEG.* \(.+\)\. Copy or download"),
        ("PNG", 0.01, r"came a truncated or damaged .*PNG.* \(.+\)\. Copy or download"),
        (
            "TIFF",
            0.002,
            r"came a truncated or damaged file that starts like TIFF \(.+\)\. Copy or download",
        ),
    ],
)
def test_a_truncated_file_is_called_so(kind: str, keep: float, message: str) -> None:
    data = FILES[kind]
    with pytest.raises(ImageError, match=message):
        read(data[: int(len(data) * keep)], name="scan.x")


def test_a_damaged_file_is_not_read_as_something_else() -> None:
    data = bytearray(FILES["PNG"])
    data[len(data) // 2] ^= 0xFF  # a checksum no longer fits
    with pytest.raises(ImageError, match="truncated or damaged PNG"):
        read(bytes(data))


@pytest.mark.parametrize("data", [b"", bytearray(), memoryview(b"")])
def test_an_empty_file(data: object) -> None:
    with pytest.raises(
        ImageError, match=r"expected a picture file; came an empty one \(0 bytes\)\. Copy"
    ):
        read(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Dear Sir or Madam, ", r"begins with b'Dear Sir or Mada'\. Convert it to PNG or JPEG"),
        (b"<!DOCTYPE html><html>", r"begins with b'<!DOCTYPE html><'"),
        (b"\0" * 1000, r"begins with b'\\x00"),
        (b"x", r"begins with b'x'"),
        (b"\0\0\0\x24ftypheic\0\0\0\0" + b"\0" * 99, r"It is HEIC: .*register_heif_opener"),
    ],
    ids=["text", "page", "zeros", "one byte", "heic"],
)
def test_what_is_no_picture(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=r"came a file that is none.*" + message):
        read(data)


def test_a_decoder_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.setitem(
        Image.OPEN, "PNG", (Image.OPEN["PNG"][0], lambda start: "no PNG support here")
    )
    with pytest.raises(ImageError, match=r"came a file that is none \(no PNG support here\)"):
        read(FILES["PNG"])


def test_running_out_of_memory_is_not_called_a_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(self: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", out_of_memory)
    with pytest.raises(MemoryError):
        read(FILES["PNG"])


# -- the first of several --


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = stored(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        with Image.open(io.BytesIO(data)) as file:
            assert file.n_frames == 3
            assert read(data).getcolors() == [(12, (255, 0, 0))]
            file.seek(2)
            assert read(file).getcolors() == [(12, (0, 0, 255))]  # a picture is taken as it stands


# -- enormous --


def test_the_limit_is_pillows_own() -> None:
    assert MAX_PIXELS == 178_956_970 == 2 * (1024**3 // 4 // 3)


def decoding_is_watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the pictures Pillow is asked to decode from now on; it decodes none of them."""
    sizes: list[tuple[int, int]] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: sizes.append(self.size))
    return sizes


def test_a_huge_picture_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = decoding_is_watched(monkeypatch)
    message = (
        r"big\.png: expected at most 178,956,970 pixels; this picture has 20000 x 10000 ="
        r" 200,000,000\. "
        r"Save it smaller, or, in Python, allow it with max_pixels=200000000 \(None: no limit\)\."
    )
    with pytest.raises(ImageError, match=message):
        read(HUGE, name="big.png")
    assert decoded == []


@pytest.mark.parametrize("limit", [200_000_000, None])
def test_the_limit_can_be_lifted(limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = decoding_is_watched(monkeypatch)
    module = importlib.import_module("sightline.images.read")  # `images.read` is the function
    monkeypatch.setattr(module, "from_picture", lambda picture, name, mode: picture)
    assert read(HUGE, max_pixels=limit).size == (20_000, 10_000)
    assert decoded == [(20_000, 10_000)]


def test_the_limit_is_the_last_size_allowed() -> None:
    assert read(FILES["PNG"], max_pixels=24 * 40).size == (40, 24)
    with pytest.raises(
        ImageError, match=r"expected at most 959 pixels; this picture has 40 x 24 = 960\."
    ):
        read(FILES["PNG"], max_pixels=959)


def test_a_picture_opened_by_the_caller_is_held_to_the_limit_and_one_made_in_memory_is_not() -> (
    None
):
    with (
        Image.open(io.BytesIO(FILES["PNG"])) as file,
        pytest.raises(ImageError, match="at most 959 pixels"),
    ):
        read(file, max_pixels=959)
    assert read(read(FILES["PNG"]), max_pixels=959).size == (40, 24)
    assert read(photograph(), max_pixels=959).size == (40, 24)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF lzw", "JPEG", "GIF", "BMP", "WEBP"])
def test_pillows_own_warning_does_not_come_through(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", 24 * 40 - 1
    )  # as if this picture were 89 megapixels large
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(FILES[kind])).load()
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(FILES[kind]).size == (40, 24)
    assert warnings.filters == filters
    assert Image.MAX_IMAGE_PIXELS == 24 * 40 - 1


def test_large_pictures_read_in_threads_leave_the_warning_filters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 40 - 1)
    filters, sizes = list(warnings.filters), []

    def many() -> None:
        sizes.extend(read(FILES["TIFF"]).size for _ in range(25))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(40, 24)] * 100
    assert warnings.filters == filters


def test_where_pillow_itself_refuses_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image) -> None:  # as its TIFF decoder does, in newer versions
        raise Image.DecompressionBombError("960 pixels are too many")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    message = (
        r"expected a picture Pillow agrees to decode; .*960 pixels.* set"
        r" PIL\.Image\.MAX_IMAGE_PIXELS"
    )
    with pytest.raises(ImageError, match=message):
        read(FILES["TIFF"])


def test_pillows_limit_does_not_stand_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(FILES["PNG"]))
    assert read(FILES["PNG"]).size == (40, 24)


def test_pillows_guard_may_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert read(FILES["TIFF"]).size == (40, 24)
