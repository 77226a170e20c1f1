"""Pictures with one class each: a folder for each class, or a table that names file and class."""

import csv
from collections.abc import Sequence
from pathlib import Path

from sightline.datasets.class_lists import WNID, distinct, imagenet
from sightline.datasets.data import SPLITS, Data, evenly, files_of_split
from sightline.datasets.record import Record
from sightline.errors import DataError, ImageError
from sightline.images import find

FILE = ("file", "filename", "file_name", "path", "image")
NUMBER = ("class_index", "class_id", "label")
WORDNET = ("wnid", "synset")
NAME = ("name", "class_name", "label", "class", "category")


def labelled_folder(path: Path, split: str | None = None, limit: int | None = None) -> Data:
    """One folder a class (`DATA/n02123045/cat.jpg`), or `labels.csv` with a row a picture.

    - Folders: the class is the first folder on the way, its classes sorted as ImageNet's are. A
      folder called by a wnid becomes the class's short name, with the wnid kept as an alias.
      `DATA/train/...` and `DATA/val/...` are parts; one has to be chosen with `split`.
    - Table: a column `file`, and one or more of `class_index`, `wnid` and `name` (or `label`).
      Pictures lie beside the table or in `images/`.

    A picture that is missing, and a row without a class, are records with an error. Raises
    `DataError` for a table without these columns, and where no picture is found.

    >>> from tempfile import mkdtemp
    >>> folder = Path(mkdtemp())
    >>> for name in ["n02123045/a.jpg", "n02085620/b.jpg"]:
    ...     (folder / name).parent.mkdir()
    ...     _ = (folder / name).write_bytes(b"")
    >>> data = labelled_folder(folder)
    >>> data.classes, data[0].labels, data.aliases["tabby"]
    (('Chihuahua', 'tabby'), ('Chihuahua',), ('n02123045',))
    """
    if path.is_file():
        _, taken = files_of_split([path], split, path.parent)
        return _table(path, path, limit, taken)
    if (path / "labels.csv").is_file() and split is None:
        return _table(path, path / "labels.csv", limit)
    root, taken = path, split
    if split is not None or parts_of(path):
        folders, taken = files_of_split(parts_of(path), split, path)
        root = folders[0]
    if (root / "labels.csv").is_file():
        return _table(path, root / "labels.csv", limit, taken)
    return _folders(path, root, limit, taken)


def parts_of(path: Path) -> list[Path]:
    """The folders that are parts of a data set: `train`, `val`, `test`.

    One of them among others is a class: pictures of trains lie in `train`, too.
    """
    folders = sorted(
        folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    )
    parts = [folder for folder in folders if folder.name.casefold() in SPLITS]
    return parts if len(parts) > 1 or len(parts) == len(folders) else []


def _folders(path: Path, root: Path, limit: int | None, split: str | None) -> Data:
    try:
        files = find(root)
    except ImageError as error:
        raise DataError(str(error)) from error
    folders = sorted({file.relative_to(root).parts[0] for file in files if file.parent != root})
    if not folders:
        raise DataError(
            f"{root}: expected a folder for each class, or labels.csv; found pictures side by side"
            f" ({len(files)}). Sort them into folders named for their classes."
        )
    named, aliases = _named(folders)
    records = []
    for file in evenly(files, limit):
        inside = file.relative_to(root)
        label = named.get(inside.parts[0]) if len(inside.parts) > 1 else None
        fault = (
            None
            if label
            else f"Expected {file.name} in the folder of its class; it lies beside them. Move it."
        )
        records.append(Record(inside.as_posix(), file, (label,) if label else (), error=fault))
    return Data(path.name, "labelled", path, records, tuple(named.values()), aliases, split=split)


def _named(folders: Sequence[str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Names for folders: of wnids the short names, where ImageNet has them all."""
    known = dict(imagenet())
    if not folders or not all(folder in known for folder in folders):
        return {folder: folder for folder in folders}, {}
    names = distinct([(known[folder], folder) for folder in folders])
    return dict(zip(folders, names, strict=True)), {
        name: (folder, known[folder])[: 1 if name == known[folder] else 2]
        for folder, name in zip(folders, names, strict=True)
    }


def _table(path: Path, table: Path, limit: int | None, split: str | None = None) -> Data:
    rows, columns = _rows(table)
    file_column = next((column for column in FILE if column in columns), None)
    keys = {key: next((c for c in names if c in columns), None) for key, names in _KEYS.items()}
    if file_column is None or not any(keys.values()):
        raise DataError(
            f"{table}: expected a column 'file' and one of 'class_index', 'wnid', 'name', 'label';"
            f" found {', '.join(map(repr, columns)) or 'no header'}. Name the columns in its first"
            " line."
        )
    if not rows:
        raise DataError(
            f"{table}: expected one row a picture; found none below the header. Look how it was"
            " written."
        )
    told = [
        {key: (row.get(column) or "").strip() for key, column in keys.items() if column}
        for row in rows
    ]
    classes = sorted({_identity(one) for one in told if any(one.values())}, key=_order)
    names = distinct([(_name_of(one), one[1] or one[0]) for one in classes])
    named = dict(zip(classes, names, strict=True))
    aliases = {
        name: tuple(
            dict.fromkeys(part for part in (one[1], one[2], one[0]) if part and part != name)
        )
        for one, name in named.items()
    }
    records = []
    for row, one in evenly(list(zip(rows, told, strict=True)), limit):
        file = (row.get(file_column) or "").strip()
        label = named.get(_identity(one))
        picture, error = _found(table, file)
        if label is None:
            error = (
                f"Expected a class in the row of {file or 'a picture'}; its columns are empty. Fill"
                " them in."
            )
        records.append(
            Record(file or f"row {row['#']}", picture, (label,) if label else (), error=error)
        )
    return Data(path.name, "labelled", path, records, tuple(names), aliases, split=split)


_KEYS = {"number": NUMBER, "wnid": WORDNET, "name": NAME}


def _rows(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """The rows, each with its line as `#`, and the names of the columns, in small letters."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            columns = [column.strip().casefold() for column in next(reader, [])]
            lines = [(reader.line_num, line) for line in reader if line]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"{table}: expected a table in CSV, UTF-8; it cannot be read ({error}). Save it so."
        ) from error
    return [
        dict(zip(columns, line, strict=False)) | {"#": str(number)} for number, line in lines
    ], columns


def _identity(told: dict[str, str]) -> tuple[str, str, str]:
    """What makes two rows one class: number, wnid and name together.

    A `label` may be either number or name.
    """
    number, wnid, name = (told.get(key, "") for key in _KEYS)
    if number and not number.isdigit():  # a column 'label' with names in it
        number, name = "", name or number
    if name == number or name.isdigit():
        number, name = number or name, ""
    return (
        number,
        wnid or (name if WNID.fullmatch(name) else ""),
        "" if WNID.fullmatch(name) else name,
    )


def _order(identity: tuple[str, str, str]) -> tuple[int, str, str]:
    return (int(identity[0]) if identity[0] else -1, *identity[1:])


def _name_of(identity: tuple[str, str, str]) -> str:
    number, wnid, name = identity
    return name.split(",")[0].strip() or dict(imagenet()).get(wnid) or wnid or number


def _found(table: Path, file: str) -> tuple[Path, str | None]:
    places = [table.parent / file, table.parent / "images" / file]
    place = next((one for one in places if file and one.is_file()), None)
    if place is not None:
        return place, None
    where = f"{table.parent} nor in its folder images" if file else "an empty cell"
    return (
        places[0],
        (
            f"Expected the picture {file!r} that {table.name} names; it is neither in {where}. Copy"
            " it there."
        ),
    )
