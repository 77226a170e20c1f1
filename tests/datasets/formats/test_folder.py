"""A plain folder of pictures: names, parts, limits, a lone file."""

import pytest

from helpers.data_set_files import photo
from sightline.datasets import open_data
from sightline.datasets.formats.folder import image_folder
from sightline.errors import DataError


def test_records_are_called_by_their_path_in_the_order_people_count(tmp_path):
    for name in ("10.png", "9.png", "more/1.jpg"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    data = image_folder(tmp_path)
    assert [record.name for record in data] == ["9.png", "10.png", "more/1.jpg"]
    assert [record.picture for record in data] == [tmp_path / record.name for record in data]
    assert (data.name, data.kind, data.classes, data.split) == (tmp_path.name, "folder", None, None)
    assert not any(record.annotated or record.labels for record in data)


def test_a_limit_is_spread_over_the_folder_and_a_split_is_a_folder_in_it(tmp_path):
    """Of five 0 x 5 / 2 and 1 x 5 / 2, rounded down: the first and the third."""
    for k in range(5):
        photo(tmp_path / "val" / f"{k}.png")
    photo(tmp_path / "train" / "x.png")
    data = image_folder(tmp_path, split="val", limit=2)
    assert [record.name for record in data] == ["0.png", "2.png"]
    assert data.split == "val"
    with pytest.raises(DataError, match="test"):
        image_folder(tmp_path, split="test")
    with pytest.raises(DataError, match="at least 1 record; came 0"):
        image_folder(tmp_path, limit=0)


def test_a_lone_picture_is_called_by_its_file_and_opened_late_if_its_suffix_is_one(tmp_path):
    (record,) = image_folder(photo(tmp_path / "a.png"))
    assert record.name == "a.png"
    (tmp_path / "broken.png").write_bytes(b"")
    assert len(image_folder(tmp_path / "broken.png")) == 1  # its row will hold the error
    (tmp_path / "broken.dat").write_bytes(b"")
    with pytest.raises(DataError, match=r"broken\.dat"):
        image_folder(tmp_path / "broken.dat")


def test_a_picture_without_a_picture_s_name_is_one(tmp_path):
    photo(tmp_path / "a.png").rename(tmp_path / "a.dat")
    assert [record.name for record in open_data(tmp_path / "a.dat", kind="folder")] == ["a.dat"]


def test_a_folder_without_pictures_is_a_fault_of_the_data(tmp_path):
    with pytest.raises(DataError, match="expected a folder with pictures; found none"):
        image_folder(tmp_path)
