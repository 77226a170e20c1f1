"""A kind that is named and is not there: a clear error, never an empty set or rows of nonsense."""

import numpy as np
import pytest

from helpers.data_set_files import coco_set, photo, voc_item
from sightline.datasets import KINDS, labelled_folder, open_data, voc
from sightline.errors import DataError


def side_by_side(root):
    photo(root / "a.png")
    photo(root / "b.png")


def by_class(root):
    photo(root / "cat" / "a.png")
    photo(root / "dog" / "b.png")


def pascal(root):
    voc_item(root, "a", [("cat", 1, 1, 5, 5)])


def arrays(root):
    np.savez(root / "a.npz", x=np.zeros((2, 4, 4, 3), np.uint8), y=[0, 1])


def json_and_pictures(root):
    coco_set(root, [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10}], [])


MAKERS = {
    "folder": side_by_side,
    "labelled": by_class,
    "voc": pascal,
    "coco": json_and_pictures,
    "cifar": arrays,
}
# what may be read as more than it is recognised as: pictures are pictures, wherever they lie
READABLE = {
    ("labelled", "folder"), ("voc", "folder"), ("coco", "folder"),
    # one class: the name of the folder with the pictures
    ("voc", "labelled"), ("coco", "labelled"),
}  # fmt: skip


@pytest.mark.parametrize("named", KINDS)
@pytest.mark.parametrize("there", MAKERS)
def test_a_kind_that_is_not_there_is_told_and_the_one_that_is(tmp_path, there, named):
    MAKERS[there](tmp_path)
    if named == there or (there, named) in READABLE:
        data = open_data(tmp_path, kind=named)
        assert len(data) > 0
        assert data.errors == {}
        return
    with pytest.raises(
        DataError, match=f"expected .*What lies there looks like kind '{there}': leave the kind out"
    ):
        open_data(tmp_path, kind=named)


def test_what_is_no_kind_at_all_has_no_hint(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    for kind in KINDS:
        with pytest.raises(DataError, match="expected") as told:
            open_data(tmp_path, kind=kind)
        assert "looks like" not in str(told.value)


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "some.json", "note.xml"])
def test_a_file_that_is_no_picture_and_no_array(tmp_path, name):
    (tmp_path / name).write_text("hello")
    for kind in ("folder", "cifar"):
        with pytest.raises(DataError, match=r"expected (a picture|\.npz, \.npy)"):
            open_data(tmp_path / name, kind=kind)


def test_pictures_in_voc_s_own_folder_need_no_annotation(tmp_path):
    photo(tmp_path / "JPEGImages" / "a.jpg")
    (record,) = voc(tmp_path)
    assert not record.annotated


def test_xml_of_another_kind_is_its_record_s_error(tmp_path):
    pascal(tmp_path)
    (tmp_path / "Annotations" / "a.xml").write_text("<svg><object/></svg>")
    assert "it begins with <svg>, not with <annotation>" in voc(tmp_path)[0].error


def test_a_table_speaks_of_one_part(tmp_path):
    photo(tmp_path / "a.png")
    for name in ("labels.csv", "val.csv"):
        (tmp_path / name).write_text("file,label\na.png,cat\n")
    assert labelled_folder(tmp_path / "val.csv", split="val").split == "val"
    with pytest.raises(DataError, match="expected a part called 'val'; found no parts"):
        labelled_folder(tmp_path / "labels.csv", split="val")
    with pytest.raises(DataError, match="expected a part called 'train'; found val"):
        labelled_folder(tmp_path / "val.csv", split="train")
