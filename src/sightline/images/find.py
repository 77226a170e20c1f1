"""Which pictures are meant: a folder, a pattern or one file."""

import glob
import logging
import os
import re
from itertools import islice
from pathlib import Path

from sightline.errors import ImageError, near

logger = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"})
"""What counts as a picture in a folder, in capitals or not.

A file named by itself may end in anything.
"""


def find(source: str | os.PathLike[str]) -> list[Path]:
    """The picture files of a folder and those in it, of a pattern, or the one file named.

    Sorted by path the way people count, `9.jpg` before `10.jpg`. Hidden files and folders are
    skipped, and linked folders are not entered. A folder, and a pattern such as `photos/*`, give
    the files that end in one of `SUFFIXES`; a pattern that spells its suffix (`photos/**/*.avif`)
    gives what it matches. Nothing is opened yet, so a file found may still be broken.

    Raises `ImageError` when nothing is found: an empty list would explain nothing, silently.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ["10.JPG", "9.png", "notes.txt", ".thumbnail.jpg"]:
    ...     _ = (folder / name).write_bytes(b"")
    >>> [path.name for path in find(folder)]
    ['9.png', '10.JPG']
    """
    path = Path(source).expanduser()
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        found = [file for file in _walk(path) if file.suffix.lower() in SUFFIXES]
        wanted = "a folder with pictures"
    elif glob.has_magic(str(path)):
        found = _matches(str(path))
        wanted = "a pattern that matches pictures"
    else:
        raise missing(path)
    if not found:
        raise ImageError(
            f"{path}: expected {wanted}; found none. Folders, and patterns without a suffix, are "
            f"searched for {' '.join(sorted(SUFFIXES))}; name a file of another suffix by itself."
        )
    return sorted(found, key=_natural)


def missing(path: Path) -> ImageError:
    """The error for a file that is not there, with names like it, or like the folder missing."""
    if address := re.match(r"([a-z][a-z0-9+.-]+:/)/?(.*)", str(path)):
        return ImageError(
            f"{address[1]}/{address[2]}: expected a file on this machine; an address came, and"
            " sightline fetches nothing. Download the picture and give its path, or give its"
            " bytes."
        )
    if os.path.islink(path):
        return ImageError(
            f"{path}: expected a picture file; it is a link to {os.readlink(path)}, which is not"
            " there. Mend the link."
        )
    gone, folder = path, path.absolute().parent
    while not os.path.isdir(folder) and folder != folder.parent:
        gone, folder = folder, folder.parent
    what = "file" if gone is path else "folder"
    # A data set's folder may hold a million names; the first thousands are hint enough.
    names = sorted(name for name in islice(_names(folder), 10_000) if not name.startswith("."))
    hint = near(gone.name, names) if names else "That folder is empty."
    came = f"there is no {what} '{gone.name}' in {folder}"
    return ImageError(f"{path}: expected a picture file; {came}. {hint}")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:  # not ours to read
        logger.debug("no hint at near names: %s", error)
        return []


def _walk(folder: Path) -> list[Path]:
    files = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(where, name) for name in names if not name.startswith(".")]
    return [file for file in files if os.path.isfile(file)]


def _matches(pattern: str) -> list[Path]:
    files = [Path(match) for match in glob.glob(pattern, recursive=True) if os.path.isfile(match)]
    suffix = Path(pattern).suffix
    if suffix and not glob.has_magic(suffix):
        return files
    return [file for file in files if file.suffix.lower() in SUFFIXES]


def _natural(path: Path) -> tuple[tuple[str, ...], str]:
    """Digits count as numbers, folder by folder.

    The path itself decides between `1.png` and `01.png`.
    """
    parts = (
        re.sub(r"\d+", lambda digits: digits[0].zfill(20), part.casefold()) for part in path.parts
    )
    return tuple(parts), str(path)
