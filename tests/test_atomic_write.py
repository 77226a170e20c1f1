"""Whole or not at all: an error half-way leaves what was there, and nothing beside it."""

import os

import pytest

from sightline.atomic_write import replacing, write_atomically


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("synced", [True, False])
@pytest.mark.parametrize(("content", "bytes_of"), [("gräf\n", b"gr\xc3\xa4f\n"), (b"\0a", b"\0a")])
def test_text_and_bytes_are_written_as_they_are_and_replace_what_was_there(
    tmp_path, content, bytes_of, synced
):
    path = tmp_path / "a.txt"
    path.write_text("before, and longer")
    write_atomically(path, content, synced=synced)
    assert path.read_bytes() == bytes_of
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_after_an_error_half_way_the_old_file_is_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def half_way():
        with replacing(path) as beside:
            beside.write_text("hal")
            raise error

    with pytest.raises(error):
        half_way()
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_at_the_last_step_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.txt", "whole", synced=True)
    assert names(tmp_path) == []


def test_the_path_to_write_to_lies_beside_and_has_the_same_ending(tmp_path):
    with replacing(tmp_path / "map.png") as beside:
        assert (beside.parent, beside.suffix) == (tmp_path, ".png")
        beside.write_bytes(b"")
        assert not (tmp_path / "map.png").exists()
    assert names(tmp_path) == ["map.png"]
