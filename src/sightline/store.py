"""Rows on disk: Parquet parts that are either whole or not there, so that a run can stop at any moment and go on.

A folder of results holds `run.json` (what was run, and how), `rows/00000.parquet` and so on (a row for each image and
method) and `views/00000.parquet` (a thumbnail of each image). A part is written beside its place and moved there when
it is complete. This file knows no model and imports no torch.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.errors import StoreError

ASIDE = ("created", "seconds", "shard", "versions", "path")
"""What may differ between shards of one run, and between a run and its continuation."""


@dataclass(eq=False)
class Results:
    """A run's rows and thumbnails as Arrow tables, and what was run. Rows stand in the order of items, then methods."""

    run: dict[str, Any]
    rows: Any
    views: Any

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __repr__(self) -> str:
        names = ", ".join([*self.run["methods"], *self.run.get("controls", [])])
        return f"Results({len(self)} rows of {names}: {', '.join(self.run.get('metrics', []))})"

    def column(self, name: str, method: str | None = None) -> list[Any]:
        """A column's values, of one method or of all, in the order of the items."""
        rows = self.rows if method is None else self.rows.filter(_equal(self.rows["method"], method))
        return list(rows[name].to_pylist())


class Store:
    """A folder to write parts into.

    Opening one that holds the same run goes on with it; one that holds another is refused with `StoreError`.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = folder
        known = folder / "run.json"
        try:
            for part in (folder / "rows", folder / "views"):
                part.mkdir(parents=True, exist_ok=True)
            if known.exists():
                differ = differences(_read_run(folder), run)
                if differ and not self.done():  # a run that failed before its first row keeps nobody out
                    _replace(known, json.dumps(dict(run), indent=2).encode())
                elif differ:
                    raise StoreError(
                        f"{folder}: expected an empty folder, or one with the same run to go on with; it holds "
                        f"another: {'; '.join(differ)}. Take another folder, or ask for what it holds."
                    )
            else:
                _replace(known, json.dumps(dict(run), indent=2).encode())
        except OSError as error:
            raise _cannot(folder, error) from error

    def done(self) -> set[int]:
        """The numbers of the parts that are complete."""
        return {int(path.stem) for path in (self.folder / "rows").glob("[0-9]*.parquet")}

    def sources(self, part: int) -> dict[int, str]:
        """What the images of a part that is done were made from, by their numbers."""
        import pyarrow.parquet as pq

        found = pq.read_table(self.folder / "rows" / f"{part:05d}.parquet", columns=["item", "source"]).to_pylist()
        return {row["item"]: row["source"] for row in found}

    def write(self, part: int, rows: Sequence[Mapping[str, Any]], views: Sequence[Mapping[str, Any]]) -> None:
        """One part, whole or not at all. Raises `StoreError` where the disk is full or cannot be written."""
        try:
            if views:
                _replace(self.folder / "views" / f"{part:05d}.parquet", _parquet(views, _VIEWS))
            _replace(self.folder / "rows" / f"{part:05d}.parquet", _parquet(rows, _ROWS))
        except OSError as error:
            raise _cannot(self.folder, error) from error


def require() -> None:
    """Raise `StoreError` where rows could not be kept: better before they are measured than after."""
    _arrow()


def table(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Rows as an Arrow table, without a detour over the disk."""
    return _table(rows, _ROWS)


def views_table(views: Sequence[Mapping[str, Any]]) -> Any:
    """Thumbnails as an Arrow table."""
    return _table(views, _VIEWS)


def read(folders: str | Path | Iterable[str | Path]) -> Results:
    """The results in a folder, or in the folders of one run's shards, in any order.

    Raises `StoreError` for a folder without results, for shards of different runs, and for rows that contradict one
    another.
    """
    places = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    if not places:
        raise StoreError("Expected at least one folder of results; got none. Name the --out of `sightline evaluate`.")
    runs = [_read_run(place) for place in places]
    for place, run in zip(places, runs, strict=True):
        if differ := differences(runs[0], run):
            raise StoreError(
                f"Expected shards of one run; {places[0]} and {place} differ: {'; '.join(differ)}. Report them apart."
            )
    names = [*runs[0]["methods"], *runs[0].get("controls", [])]
    rows = [file for place in places for file in sorted((place / "rows").glob("[0-9]*.parquet"))]
    views = [file for place in places for file in sorted((place / "views").glob("[0-9]*.parquet"))]
    return Results(runs[0], _ordered(_joined(rows, _ROWS), names), _once(_joined(views, _VIEWS), ["item"]))


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """In words, where two runs are not the same.

    >>> differences({"batch": 8, "created": 1}, {"batch": 16, "created": 2})
    ['batch is 8 there and 16 here']
    """
    found: list[str] = []
    for key in dict.fromkeys([*one, *other]):
        if key in ASIDE:
            continue
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            found.append(f"{prefix}{key} is {left} there and {right} here")
    return found


_ROWS = {
    "item": "int64", "image": "string", "source": "string", "tags": "list<string>", "label": "int64",
    "label_name": "string", "method": "string", "target": "int64", "target_name": "string", "predicted": "int64",
    "predicted_name": "string", "layer": "string", "status": "string", "message": "string", "counts": "string",
    "error": "string", "protocol": "string", "coarse": "list<float>", "coarse_shape": "list<int32>",
    "view_height": "int32", "view_width": "int32", "boxes": "list<list<double>>", "placement": "list<int32>",
}  # fmt: skip
_VIEWS = {"item": "int64", "jpeg": "binary"}


def _arrow() -> Any:
    """Arrow itself, or a `StoreError` that says how to get it."""
    try:
        import pyarrow
    except ImportError as error:
        raise StoreError(
            "Results are kept in Parquet, which needs pyarrow; it is not installed. pip install 'sightline[evaluate]'."
        ) from error
    return pyarrow


def _type(word: str) -> Any:
    pa = _arrow()
    if word.startswith("list<"):
        return pa.list_(_type(word[5:-1]))
    return getattr(pa, {"float": "float32", "double": "float64"}.get(word, word))()


def _table(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> Any:
    """Columns of the schema in their types, then all others, which hold numbers or lists of numbers."""
    pa = _arrow()
    names = [*schema, *dict.fromkeys(name for row in rows for name in row if name not in schema)]
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        columns.append(pa.array(values, _type(schema[name])) if name in schema else _numbers(values))
    return pa.Table.from_arrays(columns, names=names)


def _numbers(values: list[Any]) -> Any:
    pa = _arrow()
    if all(value is None for value in values):
        return pa.nulls(len(values))
    several = any(isinstance(value, list) for value in values)
    return pa.array(values, pa.list_(pa.float64()) if several else pa.float64())


def _parquet(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> bytes:
    import pyarrow.parquet as pq

    sink = _arrow().BufferOutputStream()
    pq.write_table(_table(rows, schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, also when the process is killed or the disk runs full half-way."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _cannot(folder: Path, error: OSError) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreError(
        f"{folder}: expected a folder that can be written; the system says: {error.strerror or error}. What was "
        "written before is safe: make room or mend the folder, and run the same command again; it goes on from there."
    )


def _read_run(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{folder}: expected a folder of results, with a run.json in it; {error}. Name the --out of "
            "`sightline evaluate`."
        ) from error
    return dict(found)


def _joined(files: Sequence[Path], schema: Mapping[str, str]) -> Any:
    import pyarrow.parquet as pq

    pa = _arrow()
    try:
        tables = [pq.read_table(file) for file in files]
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"Expected parts of results in Parquet; {error}. Remove that file and run again.") from error
    return pa.concat_tables(tables, promote_options="default") if tables else _table([], schema)


def _ordered(rows: Any, names: Sequence[str]) -> Any:
    """By item, then by method as they were asked; each once."""
    pa = _arrow()
    place = {name: index for index, name in enumerate(names)}
    order = pa.array([place.get(name, len(place)) for name in rows["method"].to_pylist()], pa.int64())
    rows = rows.append_column("#", order).sort_by([("item", "ascending"), ("#", "ascending")]).drop_columns(["#"])
    return _once(rows, ["item", "method"])


def _once(rows: Any, keys: Sequence[str]) -> Any:
    """Rows that two shards share, once; they have to be the same."""
    seen: dict[tuple[Any, ...], int] = {}
    kept = []
    for index, key in enumerate(zip(*(rows[name].to_pylist() for name in keys), strict=True)):
        if key not in seen:
            seen[key] = index
            kept.append(index)
        elif not rows.slice(index, 1).equals(rows.slice(seen[key], 1)) and "method" in keys:
            raise StoreError(
                f"Expected each image x method once; {key} is there twice, with different numbers. "
                "Two different runs were put together: report them apart."
            )
    return rows if len(kept) == rows.num_rows else rows.take(kept)


def _equal(column: Any, value: str) -> Any:
    import pyarrow.compute as pc

    return pc.equal(column, value)
