"""Pictures inside a larger file: small, picklable, and opened only where they are read.

`images.read` takes anything with a `read()`; a `Stored` picture is such a thing. The large file is
opened once a process and kept in a small cache, so that a worker that walks through the records
reads it once.
"""

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import ImageError


@dataclass(frozen=True)
class Stored(ABC):
    """A picture at one place of a file; `name` is what errors call it."""

    path: str
    row: int

    @abstractmethod
    def read(self) -> bytes:
        """The picture as the content of an image file.

        Raises `ImageError` when it cannot be had.
        """

    def seekable(self) -> bool:
        """False: `read` gives everything, each time."""
        return False

    @property
    def name(self) -> str:
        """The file and the row."""
        return f"{self.path}[{self.row}]"


def as_ppm(pixels: NDArray[Any]) -> bytes:
    """An array `[h, w, 3]` or `[h, w]` of uint8 as a PPM or PGM file: nothing lost or packed.

    >>> as_ppm(np.array([[7, 9]], dtype=np.uint8))
    b'P5 2 1 255\\n\\x07\\t'
    """
    if (
        pixels.dtype != np.uint8
        or pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[2] != 3)
    ):
        raise ImageError(
            f"Expected a picture [h, w, 3] or [h, w] in uint8; came {pixels.dtype}"
            f" {list(pixels.shape)}. Convert it."
        )
    height, width = pixels.shape[:2]
    file = io.BytesIO()
    file.write(f"P{6 if pixels.ndim == 3 else 5} {width} {height} 255\n".encode())
    file.write(np.ascontiguousarray(pixels).tobytes())
    return file.getvalue()
