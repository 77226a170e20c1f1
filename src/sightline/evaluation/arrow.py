"""Rows as columns: the types of a run's rows, and the Arrow tables and Parquet made of them.

Imports no torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sightline.errors import StoreError, install_advice

ROWS = {
    "item": "int64",
    "image": "string",
    "source": "string",
    "tags": "list<string>",
    "label": "int64",
    "label_name": "string",
    "method": "string",
    "target": "int64",
    "target_name": "string",
    "predicted": "int64",
    "predicted_name": "string",
    "layer": "string",
    "status": "string",
    "message": "string",
    "counts": "string",
    "error": "string",
    "notes": "list<string>",
    "protocol": "string",
    "coarse": "list<float>",
    "coarse_shape": "list<int32>",
    "view_height": "int32",
    "view_width": "int32",
    "boxes": "list<list<double>>",
    "placement": "list<int32>",
}
"""What every row says, and its type; all other columns hold numbers, or lists of numbers."""

VIEWS = {"item": "int64", "jpeg": "binary"}
"""The thumbnails."""


def import_pyarrow() -> Any:
    """Arrow itself, or a `StoreError` that says how to get it."""
    try:
        import pyarrow
    except ImportError as error:
        raise StoreError(
            "Results are kept in Parquet, which needs pyarrow; it is not installed."
            f" {install_advice('evaluate')}"
        ) from error
    return pyarrow


def table(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str] = ROWS) -> Any:
    """Columns of the schema in their types, then all others.

    >>> made = table([{"item": 1, "method": "cam", "drop": 0.5}])
    >>> made.column_names[-1], made["item"].to_pylist(), made["drop"].to_pylist()
    ('drop', [1], [0.5])
    """
    pa = import_pyarrow()
    names = [*schema, *dict.fromkeys(name for row in rows for name in row if name not in schema)]
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        columns.append(
            pa.array(values, _type(schema[name])) if name in schema else _numbers(values)
        )
    return pa.Table.from_arrays(columns, names=names)


def parquet(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str] = ROWS) -> bytes:
    """The rows as a Parquet file's content."""
    import pyarrow.parquet as pq

    sink = import_pyarrow().BufferOutputStream()
    pq.write_table(table(rows, schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def read_tables(files: Sequence[Path], schema: Mapping[str, str] = ROWS) -> Any:
    """Parquet files as one table. Raises `StoreError` for one that cannot be read."""
    import pyarrow.parquet as pq

    pa = import_pyarrow()
    try:
        tables = [pq.read_table(file) for file in files]
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(
            f"Expected parts of results in Parquet; {error}. Remove that file and run again."
        ) from error
    return pa.concat_tables(tables, promote_options="default") if tables else table([], schema)


def sorted_rows(rows: Any, names: Sequence[str]) -> Any:
    """By item, then by method as they were asked; each once."""
    pa = import_pyarrow()
    place = {name: index for index, name in enumerate(names)}
    order = pa.array(
        [place.get(name, len(place)) for name in rows["method"].to_pylist()], pa.int64()
    )
    rows = (
        rows.append_column("#", order)
        .sort_by([("item", "ascending"), ("#", "ascending")])
        .drop_columns(["#"])
    )
    return unique_rows(rows, ["item", "method"])


def unique_rows(rows: Any, keys: Sequence[str]) -> Any:
    """Rows that two shards share, once.

    Measured rows have to be the same, or it is a `StoreError`.
    """
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


def of_value(rows: Any, column: str, value: str) -> Any:
    """The rows that have this value in that column."""
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows[column], value))


def _type(word: str) -> Any:
    pa = import_pyarrow()
    if word.startswith("list<"):
        return pa.list_(_type(word[5:-1]))
    return getattr(pa, {"float": "float32", "double": "float64"}.get(word, word))()


def _numbers(values: list[Any]) -> Any:
    pa = import_pyarrow()
    if all(value is None for value in values):
        return pa.nulls(len(values))
    several = any(isinstance(value, list) for value in values)
    return pa.array(values, pa.list_(pa.float64()) if several else pa.float64())
