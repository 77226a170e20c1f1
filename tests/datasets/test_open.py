"""What lies at a path is recognised, and what is not is told."""

import pickle

import numpy as np
import pytest

from helpers.data import shared
from helpers.data_set_files import coco_set, photo, voc_item
from sightline.datasets import KINDS, Data, Record, open_data
from sightline.errors import DataError


def a_folder(root):
    return photo(root / "a.jpg").parent


def a_folder_of_folders(root):
    return photo(root / "images" / "a.jpg").parents[1]


def classes(root):
    photo(root / "cat" / "a.jpg")
    return photo(root / "dog" / "a.jpg").parents[1]


def one_wnid(root):
    return photo(root / "n02123045" / "a.jpg").parents[1]


def parts(root):
    return photo(root / "val" / "cat" / "a.jpg").parents[2]


def a_table(root):
    photo(root / "images" / "a.jpg")
    (root / "labels.csv").write_text("file,name\na.jpg,cat\n")
    return root


def a_voc(root):
    voc_item(root, "a", [("cat", 1, 1, 5, 5)])
    return root


def a_coco(root):
    return coco_set(root, [{"id": 1, "file_name": "a.jpg"}], [])


def an_npz(root):
    np.savez(root / "a.npz", x=np.zeros((1, 4, 4, 3), np.uint8), y=[0])
    return root


def a_batch(root):
    rows = np.zeros((1, 3072), np.uint8)
    (root / "test_batch").write_bytes(pickle.dumps({b"data": rows, b"labels": [0]}))
    return root


def a_parquet(root):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    content = photo(root / "p" / "a.jpg").read_bytes()
    pq.write_table(pa.table({"image": [content], "label": [0]}), root / "a.parquet")
    return root


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (a_folder, "folder"),
        (a_folder_of_folders, "folder"),
        (classes, "labelled"),
        (one_wnid, "labelled"),
        (parts, "labelled"),
        (a_table, "labelled"),
        (a_voc, "voc"),
        (a_coco, "coco"),
        (an_npz, "cifar"),
        (a_batch, "cifar"),
        (a_parquet, "parquet"),
    ],
)
def test_the_kind_is_recognised(tmp_path, make, kind):
    data = open_data(make(tmp_path))
    assert data.kind == kind
    assert data.errors == {}
    again = pickle.loads(pickle.dumps(data))
    assert [record.name for record in again] == [record.name for record in data]
    assert open_data(str(tmp_path), kind=kind, limit=1)[0] == data[0]
    assert isinstance(data, Data)
    assert isinstance(data[0], Record)
    assert list(data) == [data[i] for i in range(len(data))]


@pytest.mark.parametrize(
    ("make", "file", "kind"),
    [
        (a_table, "labels.csv", "labelled"),
        (a_coco, "instances.json", "coco"),
        (an_npz, "a.npz", "cifar"),
        (a_batch, "test_batch", "cifar"),
        (a_parquet, "a.parquet", "parquet"),
        (a_folder, "a.jpg", "folder"),
    ],
)
def test_a_file_is_recognised(tmp_path, make, file, kind):
    data = open_data(make(tmp_path) / file)
    assert (data.kind, len(data), data.path) == (kind, 1, tmp_path / file)


def test_nothing_is_told(tmp_path):
    with pytest.raises(
        DataError, match=r"expected a data set; this folder is empty\. Copy the data there"
    ):
        open_data(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(
        DataError, match=r"there is no such file or folder\. In .*Near names: 'pictures'"
    ):
        open_data(tmp_path / "picturs")
    for name in ("model.pt", "notes.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(
        DataError,
        match=r"expected a data set \(pictures, .*; found model\.pt, notes\.txt, pictures",
    ):
        open_data(tmp_path)
    with pytest.raises(DataError, match=r"expected a data set's file .*; came '\.pt'"):
        open_data(tmp_path / "model.pt")
    (tmp_path / "a.xml").write_text("x")
    with pytest.raises(DataError, match="For VOC's XML name the folder above Annotations/"):
        open_data(tmp_path / "a.xml")


def test_a_wrong_kind_or_limit(tmp_path):
    photo(tmp_path / "a.jpg")
    with pytest.raises(
        DataError, match=r"Expected a kind of data set; came 'vok'\. Near names: 'voc'"
    ):
        open_data(tmp_path, kind="vok")
    with pytest.raises(DataError, match="Expected a limit of at least 1 record; came 0"):
        open_data(tmp_path, limit=0)
    assert list(KINDS) == ["folder", "labelled", "voc", "coco", "parquet", "cifar"]


def test_every_kind_says_that_it_found_nothing(tmp_path):
    for kind in KINDS:
        with pytest.raises(DataError, match="expected"):
            open_data(tmp_path, kind=kind)


@pytest.mark.slow
def test_the_kinds_of_the_real_data():
    for found, kind, count in [
        (shared("imagenet-samples"), "labelled", 200),
        (shared("dog-and-cat"), "folder", 1),
        (shared("coco-subset"), "coco", 383),
        (shared("voc2007-sample"), "voc", 13),
        (shared("kangaroo-voc"), "voc", 98),
        (shared("raccoon-voc"), "voc", 116),
    ]:
        data = open_data(found)
        assert (data.kind, len(data), data.errors) == (kind, count, {}), found
    for found, kind, count in [
        (shared("cifar10"), "cifar", 5000),
        (shared("easy-vqa"), "cifar", 500),
    ]:
        assert (open_data(found, split="test").kind, len(open_data(found, split="test"))) == (
            kind,
            count,
        )
    assert len(open_data(shared("tinyimagenet50", "val.parquet"), limit=7)) == 7
