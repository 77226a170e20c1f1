"""Parts are whole or not there; runs that differ are not mixed; shards come in any order."""

import errno
import json
import os

import pytest

from sightline.errors import StoreError
from sightline.evaluation import store
from sightline.evaluation.store import Store, differences, read

RUN = {
    "methods": ["b", "a"],
    "controls": ["edge"],
    "batch": 4,
    "data": {"name": "x", "path": "/here"},
    "created": "now",
}


def row(item, method, **values):
    return {"item": item, "method": method, "image": f"{item}.jpg", "protocol": "p", **values}


def test_what_is_written_is_read_in_the_order_of_items_and_methods(tmp_path):
    keeper = Store(tmp_path, RUN)
    keeper.write(
        1,
        [row(2, "edge"), row(2, "b", drop=0.5), row(2, "a", drop=None)],
        [{"item": 2, "jpeg": b"22"}],
    )
    keeper.write(0, [row(1, "a"), row(0, "b", curve=[1.0, None])], [{"item": 0, "jpeg": b"00"}])
    assert keeper.done() == {0, 1}
    found = read(tmp_path)
    assert list(zip(found.column("item"), found.column("method"), strict=True)) == [
        (0, "b"),
        (1, "a"),
        (2, "b"),
        (2, "a"),
        (2, "edge"),
    ]
    assert found.column("drop") == [None, None, 0.5, None, None]
    assert found.column("curve")[0] == [1.0, None]
    assert found.column("drop", "b") == [None, 0.5]
    assert found.views.to_pylist() == [{"item": 0, "jpeg": b"00"}, {"item": 2, "jpeg": b"22"}]
    assert found.run["batch"] == 4


def test_a_part_of_errors_alone_takes_the_types_of_the_others(tmp_path):
    keeper = Store(tmp_path, RUN)
    keeper.write(0, [row(0, "a", error="broken", drop=None, curve=None)], [])
    keeper.write(1, [row(1, "a", drop=0.25, curve=[0.5])], [])
    found = read(tmp_path)
    assert found.column("drop") == [None, 0.25]
    assert found.column("curve") == [None, [0.5]]
    assert found.column("error") == ["broken", None]


def test_the_same_run_goes_on_and_another_is_refused(tmp_path):
    Store(tmp_path, RUN).write(3, [row(0, "a")], [])
    assert Store(
        tmp_path, {**RUN, "created": "later", "data": {"name": "x", "path": "/there"}}
    ).done() == {3}
    with pytest.raises(StoreError, match="batch is 4 there and 8 here"):
        Store(tmp_path, {**RUN, "batch": 8})
    with pytest.raises(StoreError, match=r"data.name is x there and y here"):
        Store(tmp_path, {**RUN, "data": {"name": "y"}})


def test_shards_in_any_order_and_rows_they_share_once(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for k, folder in enumerate(folders):
        Store(folder, RUN).write(k, [row(k, "a", drop=k / 8)], [{"item": k, "jpeg": b""}])
    Store(folders[0], RUN).write(
        1, [row(1, "a", drop=1 / 8)], [{"item": 1, "jpeg": b""}]
    )  # done twice
    one, other = read(folders), read(folders[::-1])
    assert one.rows.equals(other.rows)
    assert one.column("item") == [0, 1, 2]
    assert one.views["item"].to_pylist() == [0, 1, 2]
    Store(folders[2], RUN).write(0, [row(0, "a", drop=0.5)], [])
    with pytest.raises(StoreError, match=r"\(0, 'a'\) is there twice, with different numbers"):
        read(folders)


def test_shards_of_different_runs_are_refused(tmp_path):
    Store(tmp_path / "a", RUN)
    Store(tmp_path / "b", {**RUN, "methods": ["c"]})
    with pytest.raises(
        StoreError, match=r"shards of one run; .*methods is \['b', 'a'\] there and \['c'\] here"
    ):
        read([tmp_path / "a", tmp_path / "b"])


def test_a_full_disk_leaves_the_earlier_parts_and_nothing_half_written(tmp_path, monkeypatch):
    keeper = Store(tmp_path, RUN)
    keeper.write(0, [row(0, "a", drop=0.5)], [])

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StoreError, match=r"No space left on device\. What was written before is safe"
    ):
        keeper.write(1, [row(1, "a", drop=0.25)], [])
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == ["00000.parquet"]
    assert Store(tmp_path, RUN).done() == {0}
    assert read(tmp_path).column("drop") == [0.5]


def test_a_file_left_half_written_by_a_kill_is_not_seen(tmp_path):
    keeper = Store(tmp_path, RUN)
    keeper.write(0, [row(0, "a")], [])
    (tmp_path / "rows" / ".4711.00001.parquet").write_bytes(b"PAR1 half")
    (tmp_path / "rows" / ".00001.parquet.4711").write_bytes(b"as versions before named it")
    assert Store(tmp_path, RUN).done() == {0}
    assert len(read(tmp_path)) == 1


def test_what_is_no_results_folder_is_said(tmp_path):
    with pytest.raises(StoreError, match=r"run\.json"):
        read(tmp_path)
    with pytest.raises(StoreError, match="at least one folder"):
        read([])
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected a folder that can be written"):
        Store(tmp_path / "file" / "out", RUN)


@pytest.mark.parametrize(
    "content", [b"", b'{"methods": ["a"', b"[1]", b'{"methods": 3}', b"\xff\xfe"]
)
def test_a_run_json_that_says_nothing_is_named_with_a_way_out(tmp_path, content):
    Store(tmp_path, RUN).write(0, [row(0, "a")], [])
    whole = (tmp_path / "run.json").read_bytes()
    (tmp_path / "run.json").write_bytes(content)
    for use in (
        lambda: read(tmp_path),
        lambda: Store(tmp_path, RUN),
        lambda: store.check_writable(tmp_path),
    ):
        with pytest.raises(
            StoreError, match=r"run\.json: expected what was run.*copy it again.*another --out"
        ):
            use()
    assert (tmp_path / "run.json").read_bytes() == content, (
        "it may be somebody else's: nobody writes over it"
    )
    (tmp_path / "run.json").write_bytes(whole)
    assert len(read(tmp_path)) == 1


def test_a_folder_is_looked_at_before_anything_is_made(tmp_path):
    store.check_writable(tmp_path / "new" / "deep")
    Store(tmp_path / "old", RUN)
    store.check_writable(tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(
            StoreError, match=r"expected a folder that can be written; .*file is a file"
        ):
            store.check_writable(tmp_path / place)


def test_a_folder_without_leave_to_write_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(
        StoreError, match=r"expected a folder that can be written; .* may not be written into"
    ):
        store.check_writable(tmp_path)


def test_a_key_pressed_while_a_part_is_written_leaves_nothing_lying_about(tmp_path, monkeypatch):
    keeper = Store(tmp_path, RUN)

    def pressed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", pressed)
    with pytest.raises(KeyboardInterrupt):
        keeper.write(0, [row(0, "a")], [])
    assert list((tmp_path / "rows").iterdir()) == []


def test_a_broken_part_is_named(tmp_path):
    keeper = Store(tmp_path, RUN)
    keeper.write(0, [row(0, "a")], [])
    (tmp_path / "rows" / "00001.parquet").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="Remove that file and run again"):
        read(tmp_path)


def test_no_parquet_library_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(StoreError, match=r"pip install 'sightline-cam\[evaluate\]'"):
        store.table([row(0, "a")])


def test_differences_go_into_mappings():
    assert differences({"a": {"b": 1, "path": 2}}, {"a": {"b": 2, "path": 3}}) == [
        "a.b is 1 there and 2 here"
    ]
    assert differences(json.loads(json.dumps(RUN)), RUN) == []
