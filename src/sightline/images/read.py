"""Anything that holds a picture -> one upright RGB picture."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile
from torch import Tensor

from sightline.errors import ImageError
from sightline.images.decode import MAX_PIXELS, check_size, decode, load
from sightline.images.find import missing
from sightline.images.rgb import Mode, from_array, from_picture, from_tensor


def read(
    source: object,
    *,
    max_pixels: int | None = MAX_PIXELS,
    name: str | None = None,
    mode: Mode = "RGB",
) -> Image.Image:
    """One picture as people see it: RGB, 8 bits, upright; or grey, or RGBA with what is in it.

    | `source` | is |
    |---|---|
    | `str`, `Path` | a file, in any format Pillow reads |
    | `bytes`, a binary file object | such a file's content; an object is read from its start |
    | `PIL.Image.Image` | a picture of any mode, as it stands; never changed |
    | `numpy.ndarray` | `[h, w]`, `[h, w, c]`, c in 1, 3, 4; bool, uint8, uint16, float in [0, 1] |
    | `torch.Tensor` | uint8 `[c, h, w]`, c in 1, 3, 4 |

    - EXIF's orientation is applied, and nothing of the metadata is kept.
    - What is transparent is laid on **white**; an alpha channel that is opaque everywhere changes
      nothing.
    - Of an animation, or a file of several pages, the **first** frame is taken.
    - 16-bit grey is scaled from 0..65535, not stretched: a scan that uses 12 of its 16 bits comes
      out dark. Of 16-bit colour Pillow keeps the upper 8 bits.
    - Colour profiles are ignored, as they were when nearly every published model was trained; CMYK
      is converted by Pillow's plain formula.

    A file of more than `max_pixels` is refused by what its header says, before it is decoded (None:
    no limit). `name` is what errors call the picture, if not by its path. Raises `ImageError`.

    >>> read(np.array([[0, 65535]], dtype=np.uint16)).getpixel((1, 0))
    (255, 255, 255)
    >>> read(Image.new("RGBA", (8, 6), (255, 0, 0, 0))).getpixel(
    ...     (0, 0)
    ... )  # transparent red, on white
    (255, 255, 255)
    """
    name = name or called(source) or f"the {type(source).__name__}"
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(os.fsdecode(source)).expanduser(), name, max_pixels, mode)
    if isinstance(source, bytes | bytearray | memoryview):
        return from_picture(decode(io.BytesIO(source), name, max_pixels), name, mode)
    if isinstance(source, Image.Image):
        if isinstance(source, ImageFile.ImageFile):  # straight from a file, perhaps not decoded yet
            check_size(source.size, name, max_pixels)
        load(source, name)
        return from_picture(source, name, mode)
    if isinstance(source, np.ndarray):
        return from_array(source, name, mode)
    if isinstance(source, Tensor):
        return from_tensor(source, name, mode)
    if callable(getattr(source, "read", None)):
        content = io.BytesIO(_content(source, name))
        return from_picture(decode(content, name, max_pixels), name, mode)
    raise ImageError(
        f"{name}: expected a path, bytes, a binary file, a PIL image, a numpy array or a uint8"
        f" tensor; came {type(source).__module__}.{type(source).__qualname__}. Convert it, with"
        " numpy.asarray for one."
    )


def called(source: object) -> str | None:
    """What a source is called: the path it came from, or None."""
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    known_as = getattr(source, "filename", None) or getattr(source, "name", None)
    is_file = isinstance(source, ImageFile.ImageFile) or callable(getattr(source, "read", None))
    return (
        os.fsdecode(known_as)
        if is_file and isinstance(known_as, str | bytes | os.PathLike)
        else None
    )


def _from_path(path: Path, name: str, max_pixels: int | None, mode: Mode) -> Image.Image:
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing(path) from error
    except (OSError, ValueError) as error:
        if os.path.isdir(path):
            raise ImageError(
                f"{name}: expected a picture file; came a folder. "
                f"sightline.images.find({str(path)!r}) lists the pictures in it."
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise ImageError(
            f"{name[:200]}: expected a picture file that can be opened; the system says: {reason}. "
            "Check the name and your permissions."
        ) from error
    with file:
        return from_picture(decode(file, name, max_pixels), name, mode)


def _content(file: Any, name: str) -> bytes:
    """All of a file object, from its start if it can go back there."""
    try:
        if file.seekable():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{name}: expected an open binary file; reading it failed ({error}). Give its path"
            " instead."
        ) from error
    if not isinstance(content, bytes):
        raise ImageError(
            f"{name}: expected a binary file; it gave {type(content).__name__}. Open it with mode"
            " 'rb'."
        )
    return content
