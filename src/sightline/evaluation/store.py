"""Rows on disk, in Parquet parts that are whole or not there: a run can stop and go on.

A folder of results holds `run.json` (what was run, and how), `rows/00000.parquet` and so on (a row
for each image and method) and `views/00000.parquet` (a thumbnail of each image). A part is written
beside its place and moved there when it is complete. This file knows no model and imports no torch.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sightline.atomic_write import write_atomically
from sightline.errors import StoreError
from sightline.evaluation.arrow import (
    VIEWS,
    import_pyarrow,
    of_value,
    parquet,
    read_tables,
    sorted_rows,
    unique_rows,
)
from sightline.evaluation.arrow import table as table

ASIDE = ("created", "notes", "seconds", "shard", "versions", "path")
"""What may differ between shards of one run, and between a run and its continuation."""
_SAID_LATER = ("preprocess",)
"""What earlier versions did not write down: a run of theirs goes on as if it were the same."""


@dataclass(eq=False)
class Results:
    """A run's rows and thumbnails as Arrow tables, and what was run.

    Rows stand in the order of items, then methods.
    """

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
        rows = self.rows if method is None else of_value(self.rows, "method", method)
        return list(rows[name].to_pylist())


class Store:
    """A folder to write parts into.

    Opening one that holds the same run goes on with it; one that holds another is refused with
    `StoreError`.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = folder
        known = folder / "run.json"
        try:
            for part in (folder / "rows", folder / "views"):
                part.mkdir(parents=True, exist_ok=True)
            if known.exists():
                differ = differences(_read_run(folder), run)
                if (
                    differ and not self.done()
                ):  # a run that failed before its first row keeps nobody out
                    write_atomically(known, json.dumps(dict(run), indent=2), synced=True)
                elif differ:
                    raise StoreError(
                        f"{folder}: expected an empty folder, or one with the same run to go on"
                        f" with; it holds another: {'; '.join(differ)}. Take another folder, or ask"
                        " for what it holds."
                    )
            else:
                write_atomically(known, json.dumps(dict(run), indent=2), synced=True)
        except OSError as error:
            raise write_error(folder, error) from error

    def done(self) -> set[int]:
        """The numbers of the parts that are complete."""
        return parts_in(self.folder)

    def sources(self, part: int) -> dict[int, str]:
        """What the images of a part that is done were made from, by their numbers."""
        import pyarrow.parquet as pq

        found = pq.read_table(self._file("rows", part), columns=["item", "source"]).to_pylist()
        return {row["item"]: row["source"] for row in found}

    def write(
        self, part: int, rows: Sequence[Mapping[str, Any]], views: Sequence[Mapping[str, Any]]
    ) -> None:
        """One part, whole or not at all.

        Raises `StoreError` where the disk is full or cannot be written.
        """
        try:
            if views:
                write_atomically(self._file("views", part), parquet(views, VIEWS), synced=True)
            write_atomically(self._file("rows", part), parquet(rows), synced=True)
        except OSError as error:
            raise write_error(self.folder, error) from error

    def note(self, notes: Iterable[str]) -> None:
        """Lines for a reader of the rows, kept in `run.json`."""
        run = _read_run(self.folder)
        if new := [one for one in notes if one not in run.get("notes", ())]:
            run["notes"] = [*run.get("notes", ()), *new]
            try:
                write_atomically(self.folder / "run.json", json.dumps(run, indent=2), synced=True)
            except OSError as error:
                raise write_error(self.folder, error) from error

    def read(self) -> Results:
        """What the folder holds by now."""
        return read(self.folder)

    def _file(self, kind: str, part: int) -> Path:
        return self.folder / kind / f"{part:05d}.parquet"


class MemoryStore:
    """Parts that are kept nowhere else: for a run without a folder."""

    folder = "memory"

    def __init__(self, run: dict[str, Any]) -> None:
        self._run = run
        self._rows: dict[int, Sequence[Mapping[str, Any]]] = {}
        self._views: dict[int, Sequence[Mapping[str, Any]]] = {}

    def done(self) -> set[int]:
        """The numbers of the parts that are complete."""
        return set(self._rows)

    def sources(self, part: int) -> dict[int, str]:
        """What the images of a part that is done were made from, by their numbers."""
        return {row["item"]: row["source"] for row in self._rows[part]}

    def write(
        self, part: int, rows: Sequence[Mapping[str, Any]], views: Sequence[Mapping[str, Any]]
    ) -> None:
        """One part."""
        self._rows[part], self._views[part] = rows, views

    def note(self, notes: Iterable[str]) -> None:
        """Lines for a reader of the rows."""
        self._run["notes"] = list(dict.fromkeys([*self._run.get("notes", ()), *notes]))

    def read(self) -> Results:
        """Everything, in the order in which it was written."""
        rows, views = (list(chain(*parts.values())) for parts in (self._rows, self._views))
        return Results(self._run, table(rows), views_table(views))


def require_pyarrow() -> None:
    """Raise `StoreError` where rows could not be kept: before they are measured, not after."""
    import_pyarrow()


def check_writable(folder: Path) -> None:
    """Raise `StoreError` where a run could not be written, or could not go on.

    Makes nothing, and needs no model.
    """
    try:
        if (folder / "run.json").exists():
            _read_run(folder)
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not there.is_dir():
            raise NotADirectoryError(f"{there} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(f"{there} may not be written into")
    except OSError as error:
        raise write_error(folder, error) from error


def parts_in(folder: Path) -> set[int]:
    """The numbers of the parts that a folder of results holds; none of them is opened."""
    return {int(path.stem) for path in (folder / "rows").glob("[0-9]*.parquet")}


def views_table(views: Sequence[Mapping[str, Any]]) -> Any:
    """Thumbnails as an Arrow table, as `table` makes one of rows, without the disk."""
    return table(views, VIEWS)


def read(folders: str | Path | Iterable[str | Path]) -> Results:
    """The results in a folder, or in the folders of one run's shards, in any order.

    Raises `StoreError` for a folder without results, for shards of different runs, and for rows
    that contradict one another.
    """
    places = (
        [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    )
    if not places:
        raise StoreError(
            "Expected at least one folder of results; got none. Name the --out of `sightline"
            " evaluate`."
        )
    runs = [_read_run(place) for place in places]
    for place, run in zip(places, runs, strict=True):
        if differ := differences(runs[0], run):
            raise StoreError(
                f"Expected shards of one run; {places[0]} and {place} differ: {'; '.join(differ)}."
                " Report them apart."
            )
    names = [*runs[0]["methods"], *runs[0].get("controls", [])]
    rows = [file for place in places for file in sorted((place / "rows").glob("[0-9]*.parquet"))]
    views = [file for place in places for file in sorted((place / "views").glob("[0-9]*.parquet"))]
    return Results(
        runs[0],
        sorted_rows(read_tables(rows), names),
        unique_rows(read_tables(views, VIEWS), ["item"]),
    )


def differences(one: Mapping[str, Any], other: Mapping[str, Any], prefix: str = "") -> list[str]:
    """In words, where two runs are not the same.

    >>> differences({"batch": 8, "created": 1}, {"batch": 16, "created": 2})
    ['batch is 8 there and 16 here']
    """
    found: list[str] = []
    for key in dict.fromkeys([*one, *other]):
        if key in ASIDE or (key in _SAID_LATER and not (key in one and key in other)):
            continue
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            found += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            found.append(f"{prefix}{key} is {left} there and {right} here")
    return found


def write_error(folder: Path, error: OSError) -> StoreError:
    """The same error in words, with what to do; a `StoreError` stays as it is."""
    if isinstance(error, StoreError):
        return error
    return StoreError(
        f"{folder}: expected a folder that can be written; the system says:"
        f" {error.strerror or error}. What was written before is safe: make room or mend the"
        " folder, and run the same command again; it goes on from there."
    )


def _read_run(folder: Path) -> dict[str, Any]:
    """What `run.json` says.

    It is written whole or not at all: where it is broken, somebody else did it.
    """
    known = folder / "run.json"
    try:
        found = json.loads(known.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreError(
            f"{folder}: expected a folder of results, with a run.json in it; there is none. Name"
            " the --out of `sightline evaluate`."
        ) from error
    except (OSError, ValueError) as error:
        raise StoreError(_broken(known, f"it cannot be read ({error})")) from error
    if not isinstance(found, dict) or not isinstance(found.get("methods"), list):
        raise StoreError(_broken(known, "it says something else"))
    return found


def _broken(known: Path, what: str) -> str:
    return (
        f"{known}: expected what was run, as `sightline evaluate` writes it in JSON; {what}. Was it"
        " cut short in copying, or edited? The rows beside it are as they were, but only this file"
        " tells what they are: copy it again (all shards of a run have the same one), or measure"
        " again with another --out."
    )
