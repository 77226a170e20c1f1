"""Small pictures in one array: CIFAR's batches, and `.npz` and `.npy` files in the same spirit."""

from collections import Counter
from pathlib import Path
from typing import Any

from sightline.datasets.class_lists import Names
from sightline.datasets.data import Data, evenly, files_of_split, split_of
from sightline.datasets.formats.arrays import NAMES, Arrays, InArray, opened
from sightline.datasets.formats.safe_pickle import load
from sightline.datasets.record import Record
from sightline.errors import DataError
from sightline.images import SUFFIXES


def cifar(path: Path, split: str | None = None, limit: int | None = None) -> Data:
    """Arrays of pictures and labels: one file, or a folder of them.

    | file | holds |
    |---|---|
    | `.npz` | `x`, `images`, `data`: `[n, h, w(, 3)]` or `[n, 3, h, w]` uint8; `y` or `label(s)` |
    | `.npz` of JPEGs | `jpeg`, all files in a row, and `offset`, `[n + 1]`; `label`, `classes` |
    | `.npy` | the same array; labels from `labels.npy` or `y.npy` beside it |
    | `data_batch_1`, `test_batch`, `train`, `test` | CIFAR as published: a pickle; no code is run |

    Names of classes come from the file, from `batches.meta` or `meta`, or from `classes.json`
    beside it; without names a class is called by its number, and a file without labels has none.
    `split` picks the `train` or the `test` files, or arrays such as `x_test`. A label beyond the
    names is its record's error. Raises `DataError` for a file without pictures, and when labels and
    pictures differ in number.

    >>> from tempfile import mkdtemp
    >>> import numpy as np
    >>> file = Path(mkdtemp()) / "two.npz"
    >>> np.savez(file, x=np.zeros((2, 4, 4, 3), dtype=np.uint8), y=[1, 0], classes=["cat", "dog"])
    >>> data = cifar(file)
    >>> data.classes, data[0].name, data[0].labels
    (('cat', 'dog'), 'two 0', ('dog',))
    """
    files, part, taken = _files(path, split)
    held = [(file, opened(file, part)) for file in files]
    for file, arrays in held:
        if not len(arrays):
            raise DataError(
                f"{file}: expected at least one picture; found none. Look how it was written."
            )
        if arrays.labels is not None and len(arrays.labels) != len(arrays):
            raise DataError(
                f"{file}: expected a label for each of its {len(arrays)} pictures; found"
                f" {len(arrays.labels)}. Mend it."
            )
    names = _names(held)
    if names is None:
        used = {
            _number(label)
            for _, arrays in held
            if arrays.labels is not None
            for label in arrays.labels
        }
        classes = tuple(
            str(label) for label in sorted(used, key=lambda one: (isinstance(one, str), one))
        )
    else:
        classes = names.names
    rows = [(file, arrays, row) for file, arrays in held for row in range(len(arrays))]
    called = Counter(name for _, arrays in held for name in arrays.files or ())
    records = [
        _record(file, arrays, row, part, classes, names is not None, called)
        for file, arrays, row in evenly(rows, limit)
    ]
    return Data(
        path.name,
        "cifar",
        path,
        records,
        classes or None,
        names.aliases if names else {},
        (),
        taken,
    )


def batches(path: Path) -> list[Path]:
    """The files of a folder that look like such arrays.

    They are `.npz`, CIFAR's batches, or else `.npy` that are no labels.
    """
    if found := sorted(path.glob("*.npz")):
        return found
    if found := [
        *sorted(path.glob("data_batch_*")),
        *(p for p in [path / "test_batch"] if p.is_file()),
    ]:
        return found
    if (path / "meta").is_file():  # CIFAR-100
        return [file for file in (path / "train", path / "test") if file.is_file()]
    return sorted(
        file for file in path.glob("*.npy") if file.stem.casefold() not in ("y", "label", "labels")
    )


def _files(path: Path, split: str | None) -> tuple[list[Path], str, str | None]:
    """The files, the ending of the arrays' names that is meant (`test` of `x_test`), the split."""
    if path.suffix.lower() in _OTHERS and path.is_file():
        raise DataError(
            f"{path}: expected .npz, .npy, or CIFAR's batches (data_batch_1, test_batch, train,"
            f" test); came {path.suffix!r}. Give the file of arrays."
        )
    if path.is_file():
        if split is None or split_of(path.stem) == split_of(split) is not None:
            return [path], "", split or split_of(path.stem)
        return [path], split, split
    files = batches(path)
    if not files:
        raise DataError(
            f"{path}: expected .npz or .npy files, or CIFAR's data_batch_1 and test_batch; found"
            " none. Give the file itself."
        )
    if len(files) == 1 and split is not None and split_of(files[0].stem) is None:
        return files, split, split
    taken, name = files_of_split(files, split, path)
    return taken, "", name


_OTHERS = {*SUFFIXES, ".csv", ".json", ".parquet", ".txt", ".xml"}
"""What is never an array: unpickling it would only end in a riddle."""


def _record(
    file: Path,
    arrays: Arrays,
    row: int,
    part: str,
    classes: tuple[str, ...],
    named: bool,
    called: Counter[str],
) -> Record:
    own = arrays.files[row] if arrays.files and row < len(arrays.files) else ""
    name = own if called[own] == 1 else f"{file.stem} {row}"
    picture = InArray(str(file), row, part)
    if arrays.labels is None:
        return Record(name, picture)
    label = _number(arrays.labels[row])
    if not named or label in classes:
        return Record(name, picture, (str(label),))
    if isinstance(label, int) and 0 <= label < len(classes):
        return Record(name, picture, (classes[label],))
    reason = (
        f"Expected a label from 0 to {len(classes) - 1}; row {row} of {file.name} has {label}."
        " Mend it."
    )
    return Record(name, picture, error=reason)


def _number(label: Any) -> int | str:
    """A label as it is stored: a number, whatever its width, or a name."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    try:
        return int(label)
    except ValueError:
        return str(label)


def _names(held: list[tuple[Path, Arrays]]) -> Names | None:
    folder = held[0][0].parent
    for _, arrays in held:
        if arrays.names:
            return Names.of(list(arrays.names))
    if (folder / "classes.json").is_file():
        return Names.read(folder / "classes.json")
    for meta in (folder / "batches.meta", folder / "meta"):
        if meta.is_file() and held[0][0].suffix == "":
            content = {
                key.decode() if isinstance(key, bytes) else key: value
                for key, value in load(meta).items()
            }
            entries = next((content[key] for key in reversed(NAMES) if key in content), None)
            if entries:
                return Names.of(
                    [one.decode() if isinstance(one, bytes) else str(one) for one in entries]
                )
    return None
