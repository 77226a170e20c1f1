"""From the bytes of a file to a decoded picture: recognised, its size checked, then decoded.

Pillow's `Image.open` has a guard of its own against pictures that are too large. It warns or raises
depending on a number shared by the whole process, without saying the picture's size. Here the same
format readers are asked in the same order, but the size is compared with the caller's own limit
before a pixel is decoded.
"""

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from sightline.errors import ImageError

MAX_PIXELS = 178_956_970
"""The largest picture read unless `max_pixels=` says otherwise: 512 MiB of RGB, where Pillow
refuses too.
"""

_NOT_THIS_FORMAT = (
    SyntaxError,
    IndexError,
    TypeError,
    struct.error,
)  # what Pillow's readers raise to say so
_ONE_BIG_PICTURE = threading.Lock()


def decode(file: io.BufferedReader | io.BytesIO, name: str, max_pixels: int | None) -> Image.Image:
    """The picture in `file`, or its first frame, decoded; the caller keeps and closes the file.

    `name` is what errors call it. Raises `ImageError` for a file that is empty, no picture,
    truncated, damaged, or of more than `max_pixels`.
    """
    picture = _recognise(file, name)
    check_size(picture.size, name, max_pixels)
    load(picture, name)
    return picture


def check_size(size: tuple[int, int], name: str, max_pixels: int | None) -> None:
    """Raise `ImageError` when `size`, (width, height), exceeds `max_pixels`; None is no limit."""
    width, height = size
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError(
            f"{name}: expected at most {max_pixels:,} pixels; this picture has {width} x {height} ="
            f" {width * height:,}. Save it smaller, or, in Python, allow it with"
            f" max_pixels={width * height} (None: no limit)."
        )


def load(picture: Image.Image, name: str) -> None:
    """Decode a recognised picture in place, and tell a broken file in sightline's words."""
    try:
        with _pillows_guard_silenced(picture.size):
            picture.load()
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{name}: expected a picture Pillow agrees to decode; its own guard stopped this one"
            f" ({error}). Shrink the picture, or set PIL.Image.MAX_IMAGE_PIXELS."
        ) from error
    except (
        Exception
    ) as error:  # a decoder may raise anything: OSError, ValueError, EOFError, zlib.error, ...
        raise _broken(name, f"{picture.format or 'image'} file", error) from error


def _recognise(file: io.BufferedReader | io.BytesIO, name: str) -> Image.Image:
    """Ask Pillow's readers whose format this is; only the header is read."""
    start = file.read(16)
    if not start:
        raise ImageError(
            f"{name}: expected a picture file; came an empty one (0 bytes). Copy or download it"
            " again."
        )
    asked: set[str] = set()
    complaints: list[tuple[str, Exception]] = []  # of readers that knew the first bytes
    absent = ""
    for register in (Image.preinit, Image.init):  # the common formats first, as Pillow does
        register()
        for kind in [kind for kind in Image.ID if kind not in asked]:
            asked.add(kind)
            reader, knows = Image.OPEN[kind]
            known: bool | str = False
            try:
                known = knows(start) if knows else False
                if isinstance(known, str):  # the format is known, but its decoder is not installed
                    absent = f" ({known})"
                elif known or knows is None:
                    file.seek(0)
                    return reader(file, "")
            except _NOT_THIS_FORMAT as error:
                if known:
                    complaints.append((kind, error))
            except Exception as error:
                raise _broken(name, f"{kind} file", error) from error
    if complaints:
        kinds = " or ".join(kind for kind, _ in complaints)
        raise _broken(name, f"file that starts like {kinds}", complaints[0][1])
    raise _no_picture(name, start, absent)


def _no_picture(name: str, start: bytes, absent: str) -> ImageError:
    do = "Convert it to PNG or JPEG."
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"mif1"):
        do = (
            "It is HEIC: convert it to JPEG, or install pillow-heif and call its"
            " register_heif_opener()."
        )
    return ImageError(
        f"{name}: expected a picture in a format Pillow reads; came a file that is none{absent}: "
        f"it begins with {start!r}. {do}"
    )


def _broken(name: str, what: str, error: Exception) -> ImageError:
    reason = str(error) or type(error).__name__
    return ImageError(
        f"{name}: expected a whole picture; came a truncated or damaged {what} ({reason}). "
        "Copy or download it again, or save it anew from a program that opens it."
    )


@contextmanager
def _pillows_guard_silenced(size: tuple[int, int]) -> Iterator[None]:
    """Drop Pillow's warning about a large picture: this one has passed the caller's own limit.

    Some decoders (TIFF) look at the process's limit once more. Warning filters are shared by all
    threads, so they are touched for such pictures only, one at a time.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is None or size[0] * size[1] <= limit:
        yield
        return
    with _ONE_BIG_PICTURE, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield
