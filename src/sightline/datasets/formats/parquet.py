"""Parquet tables with pictures in them, as published on data hubs.

Their columns are `image`, `label`, and boxes where known.
"""

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from sightline.datasets.annotation import annotated
from sightline.datasets.class_lists import Names
from sightline.datasets.data import Data, evenly, files_of_split
from sightline.datasets.formats.columns import Columns, boxes_of, class_names, class_of, objects_of
from sightline.datasets.record import Number, Object, Record
from sightline.datasets.stored import Stored
from sightline.errors import DataError, ImageError, install_advice

_LOOKED_AT = 100
_SEVERAL = 3
_GUESSED = (
    "Boxes are taken to count their last pixel in. This is a guess: in the first 100 pictures none"
    " ends at the edge, and the outermost end one pixel before it. If it is wrong, say so in"
    " Python, datasets.parquet(path, inclusive=False), or write the boxes as objects with bbox = x,"
    " y, width, height, where nothing is guessed."
)


@dataclass(frozen=True)
class InParquet(Stored):
    """The picture in one row of a row group.

    The group's pictures are read once a process, into a small cache.
    """

    group: int
    column: str

    @property
    def name(self) -> str:
        """The file, the row group and the row in it."""
        return f"{self.path}[{self.group}:{self.row}]"

    def read(self) -> bytes:
        """The image file as it is stored. Raises `ImageError`."""
        try:
            value = _pictures(self.path, self.group, self.column)[self.row].as_py()
        except (OSError, DataError, IndexError, ValueError) as error:
            raise ImageError(
                f"{self.name}: expected a picture in this row; it cannot be read ({error}). Copy"
                " the file again."
            ) from error
        content: Any
        content, beside = (
            (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        )
        if content:
            return bytes(content)
        if beside and (file := Path(self.path).parent / beside).is_file():
            return bytes(file.read_bytes())
        raise ImageError(
            f"{self.name}: expected the bytes of a picture; this row holds none. Write the table"
            " again."
        )


@dataclass(frozen=True)
class _Row:
    picture: InParquet
    cells: dict[str, Any]

    @property
    def path(self) -> str:
        """What the table calls its picture, if it does."""
        image = self.cells.get(self.picture.column)
        return str(image["path"]) if isinstance(image, dict) and image.get("path") else ""


def parquet(
    path: Path, split: str | None = None, limit: int | None = None, *, inclusive: bool | None = None
) -> Data:
    """One Parquet file, or a folder of them (`train-00000-of-00002.parquet`, or `data/...`).

    | column | holds |
    |---|---|
    | `image` | the picture's bytes, or a struct of `bytes` and `path` |
    | `label` | the class: a number, or a name |
    | `box`, `boxes` | left, top, right, bottom in pixels; one, or a list, of the row's class |
    | `objects` | a struct of lists or list of structs: `bbox` (x, y, w, h) or `box`, `category` |

    Names of classes come from `classes.json` beside the file, or from the table's own description.
    A row without class, and a box that makes no sense, are errors of their record. `split` picks
    the files called so, and has to where there are several parts. Other pictures than the first 100
    are read when they are wanted.

    Columns `box` and `boxes` of whole numbers may count their last pixel in (`inclusive`), and
    tables do not say: left out, it is guessed from the first 100 pictures. Boxes count it in where
    none ends at the picture's edge and most of the outermost end one pixel before it; `notes` then
    say that this was guessed. In `objects` nothing is guessed.

    Raises `DataError` without pyarrow (the extra `evaluate`), for a broken file, and without a
    column of pictures.
    """
    files, taken = _files(path, split)
    rows: list[_Row] = []
    names: Names | None = None
    for file in files:
        columns, description, found = _table(file)
        names = names or _names(file, columns, description)
        rows += found
    if not rows:
        raise DataError(
            f"{path}: expected at least one row; found none. Look how the table was written."
        )
    last = _counts_last(rows, columns) if inclusive is None else inclusive
    called = Counter(row.path for row in rows)
    records = []
    for row in evenly(rows, limit):
        unique = row.path if row.path and called[row.path] == 1 else ""
        name = unique or f"{Path(row.picture.path).stem} {row.picture.group}:{row.picture.row}"
        records.append(_record(name, row, columns, names, last))
    notes = (_GUESSED,) if last and inclusive is None else ()
    classes = names.names if names else _used(rows, columns, records)
    return Data(
        path.name,
        "parquet",
        path,
        records,
        classes or None,
        names.aliases if names else {},
        notes,
        taken,
    )


def _record(name: str, row: _Row, columns: Columns, names: Names | None, last: bool) -> Record:
    label = row.cells.get(columns.label or "")
    boxes, objects = row.cells.get(columns.boxes or ""), row.cells.get(columns.objects or "")
    labels: tuple[str, ...] = ()
    found: list[Object] = []
    try:
        if columns.label:
            each = label if isinstance(label, list) else [label]
            labels = tuple(dict.fromkeys(class_of(one, names) for one in each))
        if boxes and len(labels) == 1:
            corners = (tuple(box) for box in boxes_of(boxes))
            found = [Object(labels[0], (x, y, x2 + last, y2 + last)) for x, y, x2, y2 in corners]
        elif objects is not None:
            found = objects_of(objects, names)
    except (ValueError, TypeError) as error:
        reason = (
            f"Expected a class, and boxes of four numbers, in this row of the table; {error}. Mend"
            " the table."
        )
        return Record(name, row.picture, labels, error=reason)
    if not found and objects is None:
        return Record(name, row.picture, labels)
    width, height = row.cells.get("width"), row.cells.get("height")
    size = (int(width), int(height)) if width and height else None
    return annotated(name, row.picture, found, size=size, labels=labels or None)


def _used(rows: Sequence[_Row], columns: Columns, records: Sequence[Record]) -> tuple[str, ...]:
    """The classes of a table that has no list of them."""
    cells = [cell for row in rows if (cell := row.cells.get(columns.label or "")) is not None]
    flat = [
        one
        for cell in cells
        for one in (cell if isinstance(cell, list) else [cell])
        if one not in (None, "")
    ]
    if flat and all(isinstance(one, int) for one in flat):
        return tuple(str(number) for number in sorted(set(flat)))
    return tuple(
        sorted(
            {str(one) for one in flat} | {one.name for record in records for one in record.objects}
        )
    )


def _counts_last(rows: Sequence[_Row], columns: Columns) -> bool:
    """Whether boxes end at the last pixel's number.

    Then none ends at `width`, and several at `width - 1`, where most pile up.
    """
    ends: Counter[Number] = Counter()
    for row in rows[:_LOOKED_AT]:
        cell = row.cells.get(columns.boxes or "")
        if not cell:
            continue
        try:
            boxes = boxes_of(cell)
            if not all(float(value).is_integer() for box in boxes for value in box):
                return False
            with Image.open(io.BytesIO(row.picture.read())) as picture:
                ends.update(
                    side - end
                    for box in boxes
                    for end, side in zip(box[2:], picture.size, strict=True)
                )
        except (
            OSError,
            ValueError,
            TypeError,
        ):  # a broken row: it says so itself when its turn comes
            continue
    return min(ends, default=0) == 1 and ends[1] >= _SEVERAL and ends[1] > ends[2]


def _files(path: Path, split: str | None) -> tuple[list[Path], str | None]:
    if path.is_file():
        return files_of_split([path], split, path.parent)
    files = tables(path)
    if not files:
        raise DataError(f"{path}: expected .parquet files; found none. Give the file itself.")
    return files_of_split(files, split, path)


def tables(path: Path) -> list[Path]:
    """The Parquet files of a folder, at its top or in `data/`."""
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def _names(file: Path, columns: Columns, description: dict[str, Any]) -> Names | None:
    if (beside := file.parent / "classes.json").is_file():
        return Names.read(beside)
    for entries in (
        class_names(description.get("huggingface", {}), columns.label),
        class_names(description.get("huggingface", {}), columns.objects),
        description.get("classes"),
    ):
        if entries:
            return Names.of(entries)
    return None


def _table(file: Path) -> tuple[Columns, dict[str, Any], list[_Row]]:
    """The columns, what the table says about itself, and its rows, all but the pictures."""
    opened = _opened(str(file), file.stat().st_mtime_ns)
    schema = opened.schema_arrow
    columns = Columns.of(schema.names, file)
    description = {}
    for key, value in (schema.metadata or {}).items():
        try:
            description[key.decode()] = json.loads(value)
        except ValueError:  # not ours to understand
            continue
    fields = schema.field(columns.picture).type
    path = (
        [f"{columns.picture}.path"]
        if any(fields.field(i).name == "path" for i in range(fields.num_fields))
        else []
    )
    wanted = [
        *path,
        *(one for one in (columns.label, columns.boxes, columns.objects, "width", "height") if one),
    ]
    wanted = [one for one in wanted if one.partition(".")[0] in schema.names]
    rows = []
    for group in range(opened.num_row_groups):
        count = opened.metadata.row_group(group).num_rows
        cells = (
            opened.read_row_group(group, columns=wanted, use_threads=False).to_pylist()
            if wanted
            else [{}] * count
        )
        rows += [
            _Row(InParquet(str(file), row, group, columns.picture), one)
            for row, one in enumerate(cells)
        ]
    return columns, description, rows


@lru_cache(maxsize=16)
def _opened(path: str, changed: int) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(
            f"{path}: expected pyarrow to read Parquet; it is not installed."
            f" {install_advice('evaluate')}"
        ) from error
    try:
        return ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise DataError(
            f"{path}: expected a Parquet file; it cannot be read ({error}). Copy it again."
        ) from error


def _pictures(path: str, group: int, column: str) -> Any:
    return _column(path, group, column, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _column(path: str, group: int, column: str, changed: int) -> Any:
    return (
        _opened(path, changed)
        .read_row_group(group, columns=[column], use_threads=False)
        .column(column)
    )
