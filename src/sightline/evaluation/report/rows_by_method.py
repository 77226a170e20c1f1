"""The rows, put in order: an image a line, in whatever order they were measured and stored."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int

from sightline.errors import StoreError, near

SHORT = {"class": "target_name", "tag": "tags", "label": "label_name"}
"""What people call a breakdown, and the column it is about."""

Positions = dict[str, Int[np.ndarray, "_"]]
"""For each method, which images: their positions."""


@runtime_checkable
class RunResults(Protocol):
    """What a run left behind: what was asked, a row for each image and method, thumbnails."""

    run: dict[str, Any]
    rows: pa.Table
    views: pa.Table


class RowsByMethod:
    """Columns by method, one entry an image, sorted by the image's number in the plan.

    Raises `StoreError` for rows made by different protocols, for an image that a method measured
    twice, and where a column is missing.
    """

    def __init__(self, results: RunResults) -> None:
        self.run, self.table = results.run, results.rows
        _require(self.table, "item", "image", "method", "error", "status", "protocol")
        _one_protocol(results)
        items = self.table["item"].to_numpy()
        self.items: Int[np.ndarray, "n"] = np.unique(items)
        self._rank: Int[np.ndarray, "m"] = np.searchsorted(self.items, items)
        names = pc.unique(self.table["method"]).to_pylist()
        asked = [*self.run.get("methods", []), *self.run.get("controls", [])]
        self.all = [name for name in dict.fromkeys(asked) if name in names] + sorted(
            set(names) - set(asked)
        )
        self.controls = [name for name in self.all if name in self.run.get("controls", [])]
        self.methods = [name for name in self.all if name not in self.controls]
        self.at: dict[str, Int[np.ndarray, "n"]] = {}
        for name in self.all:
            ours = np.flatnonzero(
                pc.equal(self.table["method"], name).to_numpy(zero_copy_only=False)
            )
            self.at[name] = np.full(len(self.items), -1)
            self.at[name][self._rank[ours]] = ours
            if len(ours) > (self.at[name] >= 0).sum():
                raise StoreError(
                    f"Expected one row for each image and method; {name} has {len(ours)} rows for"
                    f" {(self.at[name] >= 0).sum()} images. Two runs over the same images cannot be"
                    " one: read their folders one by one."
                )
        failed = self.table["error"].is_valid().to_numpy(zero_copy_only=False)
        self.absent = {name: self.at[name] < 0 for name in self.all}
        self.failed = {name: ~self.absent[name] & failed[self.at[name]] for name in self.all}

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, column: str) -> bool:
        return column in self.table.column_names

    def measured(self, column: str) -> dict[str, Float[np.ndarray, "n *k"]]:
        """Each method's numbers, `[images]` or `[images, k]`; nan where there is none."""
        dense = numbers(self.table[column], column)
        found = {}
        for name in self.all:
            found[name] = dense[self.at[name]]
            found[name][self.absent[name] | self.failed[name]] = np.nan
        return found

    def codes(self, column: str) -> Int[np.ndarray, "n"]:
        """A whole number of each image, which all its methods share; -1 where there is none."""
        dense = pc.fill_null(self.table[column], -1).to_numpy().astype(np.int64)
        found = np.full(len(self), -1)
        for name in reversed(self.all):
            own = np.where(self.absent[name], -1, dense[self.at[name]])
            found = np.where(own >= 0, own, found)
        return found

    def groups(self, by: str) -> list[tuple[str, Positions]]:
        """The images of each class, with each tag, or with each value of a column of words.

        `by` is `"class"`, `"tag"` or the column's name.

        The largest group first. Where a row does not say (it failed), the image's other rows do.
        """
        column = SHORT.get(by, by)
        kinds = [field.name for field in self.table.schema if _is_words(field.type)]
        if column not in kinds:
            raise StoreError(
                f"Expected a breakdown by 'class', 'tag' or a column of words; got {by!r}."
                f" {near(by, [*SHORT, *kinds])}"
            )
        one = self.table[column].combine_chunks()
        if pa.types.is_list(one.type) or pa.types.is_large_list(one.type):
            parents = pc.list_parent_indices(one).to_numpy()
            words = pc.list_flatten(one).dictionary_encode()
        else:
            parents = np.arange(len(one))
            words = one.dictionary_encode()
        words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
        codes = pc.fill_null(words.indices, -1).to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(len(words.dictionary) + 1))
        found = []
        for code, name in enumerate(words.dictionary.to_pylist()):
            rows = np.zeros(len(self.table), bool)
            rows[parents[order[bounds[code] : bounds[code + 1]]]] = True
            found.append((str(name), *self._positions(np.flatnonzero(rows))))
        return [
            (name, places)
            for name, places, _ in sorted(found, key=lambda group: (-group[2], group[0]))
        ]

    def _positions(self, rows: Int[np.ndarray, "m"]) -> tuple[Positions, int]:
        """The images of some rows, by method, and how many there are.

        Those on which the method failed are among them.
        """
        anybody = np.unique(self._rank[rows])
        found = {}
        for name in self.all:
            own = self.at[name][anybody]
            found[name] = anybody[(own >= 0) & (np.isin(own, rows) | self.failed[name][anybody])]
        return found, len(anybody)


def numbers(column: pa.ChunkedArray, name: str) -> Float[np.ndarray, "n *k"]:
    """A column of numbers or of lists of equally many; nan for null.

    >>> numbers(pa.chunked_array([[[1.0, 2.0], None]]), "curve")
    array([[ 1.,  2.],
           [nan, nan]])
    """
    one = column.combine_chunks()
    one = pa.concat_arrays(one.chunks) if isinstance(one, pa.ChunkedArray) else one
    if not (pa.types.is_list(one.type) or pa.types.is_large_list(one.type)):
        return np.array(one.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    lengths = pc.fill_null(pc.list_value_length(one), 0).to_numpy(zero_copy_only=False)
    kinds = np.unique(lengths[lengths > 0])
    if len(kinds) > 1:
        raise StoreError(
            f"Expected as many numbers in each entry of {name!r}; came"
            f" {', '.join(map(str, kinds))}. Measure all images with one protocol."
        )
    dense = np.full((len(one), int(kinds[0]) if len(kinds) else 1), np.nan)
    flat = pc.list_flatten(one).cast(pa.float64()).to_numpy(zero_copy_only=False)
    dense[lengths > 0] = flat.reshape(-1, dense.shape[1])
    return dense


def _is_words(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    plain = plain.value_type if pa.types.is_dictionary(plain) else plain
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _require(rows: pa.Table, *columns: str) -> None:
    missing = [name for name in columns if name not in rows.column_names]
    if missing:
        raise StoreError(
            "Expected rows of `sightline evaluate`; they have no column"
            f" {', '.join(map(repr, missing))}. There are:"
            f" {', '.join(map(repr, rows.column_names[:12]))}."
        )
    if not rows.num_rows:
        raise StoreError(
            "Expected results with at least one row; there are none. Run `sightline evaluate`"
            " first."
        )


def _one_protocol(results: RunResults) -> None:
    counts = {
        one["values"]: one["counts"]
        for one in pc.value_counts(results.rows["protocol"]).to_pylist()
    }
    counts.pop(None, None)
    own = results.run.get("protocol_digest")
    if len(counts) > 1 or (own and counts and own not in counts):
        came = ", ".join(f"{digest} ({count} rows)" for digest, count in sorted(counts.items()))
        raise StoreError(
            f"Expected rows made by one protocol{f', {own}' if own else ''}; came {came}. Numbers"
            " that were measured in different ways must not be averaged: report each folder by"
            " itself, or measure again with one protocol."
        )
