"""Any data set by its path: its kind is recognised by what lies there."""

import logging
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from sightline.datasets.class_lists import WNID
from sightline.datasets.data import Data
from sightline.datasets.formats.cifar import batches, cifar
from sightline.datasets.formats.coco import annotation_files, coco
from sightline.datasets.formats.folder import image_folder
from sightline.datasets.formats.labelled import labelled_folder, parts_of
from sightline.datasets.formats.parquet import parquet, tables
from sightline.datasets.formats.voc import voc
from sightline.errors import DataError, near
from sightline.images import SUFFIXES

logger = logging.getLogger(__name__)

KINDS: dict[str, Callable[[Path, str | None, int | None], Data]] = {
    "folder": image_folder,
    "labelled": labelled_folder,
    "voc": voc,
    "coco": coco,
    "parquet": parquet,
    "cifar": cifar,
}
"""The readers, by the name of the kind."""


def open_data(
    path: str | os.PathLike[str],
    kind: str | None = None,
    split: str | None = None,
    limit: int | None = None,
) -> Data:
    """The data set at `path`, a folder or a file, as a sequence of records; pictures stay closed.

    | kind | is | see |
    |---|---|---|
    | `folder` | pictures, nothing known about them | `image_folder` |
    | `labelled` | one folder a class, or a `labels.csv` | `labelled_folder` |
    | `voc` | `JPEGImages/` and `Annotations/*.xml` | `voc` |
    | `coco` | a JSON with boxes and a folder of pictures | `coco` |
    | `parquet` | tables with pictures in them | `parquet` |
    | `cifar` | arrays: `.npz`, `.npy`, CIFAR's batches | `cifar` |

    `kind` is recognised unless it is named; one that is named and is not there is an error. `split`
    names a part, such as `val`; it is asked for where several lie there. `limit` takes that many
    records, evenly spaced over the data set.

    A record that cannot be used has an `error` and stays in the set. Raises `DataError` when there
    is nothing, when the kind is not recognised, and when the data set as a whole cannot be read.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> for name in ["cat/1.png", "dog/1.png", "dog/2.png"]:
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     _ = (folder / name).write_bytes(b"")
    >>> data = open_data(folder)
    >>> data.kind, data.classes, data[2].name
    ('labelled', ('cat', 'dog'), 'dog/2.png')
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise _missing(place)
    if kind is not None and kind not in KINDS:
        raise DataError(f"Expected a kind of data set; came {kind!r}. {near(kind, KINDS)}")
    if limit is not None and limit < 1:
        raise DataError(
            f"Expected a limit of at least 1 record; came {limit}. Leave it out to take all of"
            " them."
        )
    place = place.resolve() if place.name in ("", "..") else place
    if kind is None:
        return KINDS[recognise(place)](place, split, limit)
    try:
        return KINDS[kind](place, split, limit)
    except DataError as error:
        if (seems := _seems(place)) in (None, kind):
            raise
        raise DataError(
            f"{error} What lies there looks like kind {seems!r}: leave the kind out."
        ) from error


def _seems(path: Path) -> str | None:
    """What kind it would be taken for; None where nothing is recognised."""
    try:
        return recognise(path)
    except DataError as error:
        logger.debug("no hint at another kind: %s", error)
        return None


def recognise(path: Path) -> str:
    """The kind of data set at `path`, by the names of what lies there; no file is read.

    Raises `DataError` for an empty folder, and when nothing there is known.
    """
    if path.is_file():
        return _of_file(path)
    names = sorted(name for name in os.listdir(path) if not name.startswith("."))
    if not names:
        raise DataError(
            f"{path}: expected a data set; this folder is empty. Copy the data there, or name"
            " another."
        )
    if (path / "Annotations").is_dir():
        return "voc"
    if annotation_files(path):
        return "coco"
    if (path / "labels.csv").is_file():
        return "labelled"
    if tables(path):
        return "parquet"
    held = {folder: _holds_pictures(path / folder) for folder in names if (path / folder).is_dir()}
    direct = any(Path(name).suffix.lower() in SUFFIXES for name in names)
    if batches(path) and not direct:
        return "cifar"
    classes = [folder for folder, pictures in held.items() if pictures]
    named = bool(parts_of(path)) or any(WNID.fullmatch(folder) for folder in classes)
    if not direct and classes and (len(classes) > 1 or named):
        return "labelled"
    if direct or classes:
        return "folder"
    raise DataError(
        f"{path}: expected a data set (pictures, a folder for each class, labels.csv, JPEGImages/"
        " and Annotations/, COCO's instances.json, .parquet, .npz or CIFAR's batches); found"
        f" {_listed(names)}. Name the folder that holds it, or say what it is with kind= (--kind)."
    )


def _of_file(path: Path) -> str:
    suffix = path.suffix.lower()
    kinds = {
        ".json": "coco",
        ".parquet": "parquet",
        ".npz": "cifar",
        ".npy": "cifar",
        ".csv": "labelled",
    }
    if suffix in kinds:
        return kinds[suffix]
    if suffix in SUFFIXES:
        return "folder"
    if path.stem.startswith("data_batch") or path.name in ("test_batch", "train", "test"):
        return "cifar"
    hint = " For VOC's XML name the folder above Annotations/." if suffix == ".xml" else ""
    raise DataError(
        f"{path}: expected a data set's file (.json, .parquet, .npz, .npy, .csv, a CIFAR batch or a"
        f" picture); came {suffix or path.name!r}. Name its folder, or say what it is with kind="
        f" (--kind).{hint}"
    )


def _holds_pictures(folder: Path) -> bool:
    """Whether a picture lies in a folder or below it; few are looked at."""
    for _, folders, names in islice(os.walk(folder), 1000):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(Path(name).suffix.lower() in SUFFIXES for name in names):
            return True
    return False


def _missing(path: Path) -> DataError:
    folder = next((one for one in path.absolute().parents if one.is_dir()), Path("/"))
    names = sorted(name for name in islice(os.listdir(folder), 10_000) if not name.startswith("."))
    hint = near(path.name, names) if names else "That folder is empty."
    return DataError(
        f"{path}: expected a data set; there is no such file or folder. In {folder}: {hint}"
    )


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
