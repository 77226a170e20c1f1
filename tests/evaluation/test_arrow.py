"""Rows as Arrow tables: types, order, and what two shards share."""

import pyarrow as pa
import pytest

from sightline.errors import StoreError
from sightline.evaluation.arrow import (
    ROWS,
    of_value,
    parquet,
    read_tables,
    sorted_rows,
    table,
    unique_rows,
)


def test_every_column_of_the_schema_is_there_in_its_type_and_the_others_are_numbers():
    made = table([{"item": 1, "method": "cam", "drop": 0.5, "curve": [1, 2]}, {"item": 2}])
    assert made.column_names == [*ROWS, "drop", "curve"]
    assert made.schema.field("boxes").type == pa.list_(pa.list_(pa.float64()))
    assert made.schema.field("coarse").type == pa.list_(pa.float32())
    assert made["drop"].to_pylist() == [0.5, None]
    assert made["curve"].to_pylist() == [[1.0, 2.0], None]
    assert made["layer"].to_pylist() == [None, None]


def test_rows_stand_by_item_then_by_method_as_asked():
    rows = table([{"item": i, "method": m} for i, m in [(2, "b"), (1, "a"), (2, "a"), (1, "b")]])
    found = sorted_rows(rows, ["b", "a"]).select(["item", "method"]).to_pylist()
    assert [(row["item"], row["method"]) for row in found] == [
        (1, "b"),
        (1, "a"),
        (2, "b"),
        (2, "a"),
    ]
    assert of_value(rows, "method", "a")["item"].to_pylist() == [1, 2]


def test_a_row_two_shards_share_stands_once_and_may_not_differ():
    row = {"item": 1, "method": "a", "drop": 0.5}
    keys = ["item", "method"]
    assert unique_rows(table([row, row]), keys).num_rows == 1
    with pytest.raises(StoreError, match=r"\(1, 'a'\) is there twice, with different numbers"):
        unique_rows(table([row, {**row, "drop": 0.25}]), keys)


def test_a_file_gives_back_what_it_was_made_of_and_a_broken_one_says_so(tmp_path):
    rows = [{"item": 1, "method": "a", "drop": 0.1}]
    (tmp_path / "0.parquet").write_bytes(parquet(rows))
    (tmp_path / "1.parquet").write_bytes(parquet([{"item": 2, "method": "a", "gain": 3.0}]))
    both = read_tables([tmp_path / "0.parquet", tmp_path / "1.parquet"])
    assert both["drop"].to_pylist() == [0.1, None]
    assert read_tables([]).num_rows == 0
    (tmp_path / "2.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(StoreError, match="Remove that file and run again"):
        read_tables([tmp_path / "2.parquet"])
