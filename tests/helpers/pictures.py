"""Pictures for these tests, written byte by byte where Pillow cannot write them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from sightline.images import read

GREY, RGB = 0, 2
WHITE, BLACK, RED = [255, 255, 255], [0, 0, 0], [255, 0, 0]


def stored(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file of this kind."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def photograph(height: int = 24, width: int = 40, seed: int = 0) -> np.ndarray:
    """`[h, w, 3]` uint8: slopes with some noise, so that no two places and no two sides look the
    same.
    """
    y, x = np.mgrid[:height, :width]
    slopes = np.stack(
        [y * 255 / height, x * 255 / width, (x + y) * 255 / (height + width)], axis=-1
    )
    return (
        (slopes + np.random.default_rng(seed).uniform(-20, 20, slopes.shape))
        .clip(0, 255)
        .astype(np.uint8)
    )


def png(
    rows: np.ndarray, colour: int, *, clear: bytes = b"", size: tuple[int, int] | None = None
) -> bytes:
    """A PNG of 16 bits a channel; `clear` is its tRNS colour, `size` what the header claims
    instead.
    """
    width, height = size or (rows.shape[1], rows.shape[0])
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rows)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    chunks += [(b"tRNS", clear)] if clear else []
    chunks += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def pixels(source: object) -> list[list[list[int]]]:
    """What is read of a source, as rows of RGB triples."""
    picture = read(source)
    assert type(picture) is Image.Image
    assert picture.mode == "RGB"
    return np.asarray(picture).tolist()
