"""Plain folders, folders of classes, tables: what a picture is called and which class it has."""

import pytest

from helpers.data import shared
from helpers.data_set_files import photo
from sightline.datasets import image_folder, labelled_folder
from sightline.errors import DataError


def table(root, text, pictures=("a.jpg", "b.jpg", "c.jpg")):
    for name in pictures:
        photo(root / "images" / name)
    (root / "labels.csv").write_text(text)
    return labelled_folder(root)


# -- plain folders --


def test_a_plain_folder_counts_as_people_do(tmp_path):
    for name in ("10.jpg", "9.jpg", "more/1.png", ".hidden.jpg"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    data = image_folder(tmp_path)
    assert [record.name for record in data] == ["9.jpg", "10.jpg", "more/1.png"]
    assert data[2].picture == tmp_path / "more" / "1.png"
    assert (data.classes, data.kind, data[0].labels, data[0].annotated) == (
        None,
        "folder",
        (),
        False,
    )
    assert [record.name for record in image_folder(tmp_path, limit=2)] == ["9.jpg", "10.jpg"]
    assert [record.name for record in image_folder(tmp_path, split="more")] == ["1.png"]


def test_one_picture(tmp_path):
    assert [record.name for record in image_folder(photo(tmp_path / "a.jpg"))] == ["a.jpg"]


def test_no_pictures(tmp_path):
    with pytest.raises(DataError, match="expected a folder with pictures; found none"):
        image_folder(tmp_path)
    with pytest.raises(DataError, match=r"there is no (folder|file) 'no'"):
        image_folder(tmp_path / "no")


# -- a folder a class --


def test_folders_are_classes(tmp_path):
    for name in ("dog/1.jpg", "cat/2.jpg", "cat/deep/1.jpg", "stray.jpg"):
        photo(tmp_path / name)
    data = labelled_folder(tmp_path)
    assert data.classes == ("cat", "dog")
    assert {record.name: record.labels for record in data} == {
        "cat/2.jpg": ("cat",),
        "cat/deep/1.jpg": ("cat",),
        "dog/1.jpg": ("dog",),
        "stray.jpg": (),
    }
    assert list(data.errors) == ["stray.jpg"]
    assert data.errors["stray.jpg"].startswith(
        "Expected stray.jpg in the folder of its class; it lies beside them"
    )


def test_wnids_are_named(tmp_path):
    for name in ("n02123045/1.jpg", "n01440764/2.jpg"):
        photo(tmp_path / name)
    data = labelled_folder(tmp_path)
    assert data.classes == ("tench", "tabby")
    assert data.aliases == {"tench": ("n01440764",), "tabby": ("n02123045",)}
    assert data[0].name == "n01440764/2.jpg"


def test_two_wnids_of_one_name_stay_apart(tmp_path):
    for name in ("n02012849/1.jpg", "n03126707/2.jpg"):
        photo(tmp_path / name)
    data = labelled_folder(tmp_path)
    assert data.classes == ("crane (n02012849)", "crane (n03126707)")
    assert data.aliases["crane (n03126707)"] == ("n03126707", "crane")


def test_other_wnids_stay_as_they_are(tmp_path):
    for name in ("n02123045/1.jpg", "n99999999/2.jpg"):
        photo(tmp_path / name)
    assert labelled_folder(tmp_path).classes == ("n02123045", "n99999999")


def test_parts_have_to_be_chosen(tmp_path):
    for name in ("train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2.jpg", "val/dog/3.jpg"):
        photo(tmp_path / name)
    with pytest.raises(DataError, match=r"found several: train, val .*Name one, as in split='val'"):
        labelled_folder(tmp_path)
    data = labelled_folder(tmp_path, split="val")
    assert ([record.name for record in data], data.split) == (["cat/2.jpg", "dog/3.jpg"], "val")
    assert labelled_folder(tmp_path, split="validation")[0].name == "cat/2.jpg"
    with pytest.raises(DataError, match="expected a part called 'test'; found train, val"):
        labelled_folder(tmp_path, split="test")


def test_trains_are_a_class(tmp_path):
    for name in ("bus/1.jpg", "car/1.jpg", "train/1.jpg"):
        photo(tmp_path / name)
    assert labelled_folder(tmp_path).classes == ("bus", "car", "train")
    assert len(labelled_folder(tmp_path)) == 3


def test_a_limit_takes_every_class(tmp_path):
    for kind in ("a", "b", "c", "d"):
        for number in range(5):
            photo(tmp_path / kind / f"{number}.jpg")
    data = labelled_folder(tmp_path, limit=4)
    assert [record.labels[0] for record in data] == ["a", "b", "c", "d"]
    assert data.classes == ("a", "b", "c", "d")


# -- a table --


def test_a_table_of_names(tmp_path):
    data = table(tmp_path, "file,name\na.jpg,dog\nb.jpg,cat\nc.jpg,dog\n")
    assert [record.labels for record in data] == [("dog",), ("cat",), ("dog",)]
    assert data.classes == ("cat", "dog")
    assert data[0].picture == tmp_path / "images" / "a.jpg"
    assert data.errors == {}


def test_a_table_of_numbers(tmp_path):
    data = table(tmp_path, "file,class_index\na.jpg,281\nb.jpg,7\nc.jpg,281\n")
    assert data.classes == ("7", "281")
    assert [record.labels for record in data] == [("281",), ("7",), ("281",)]


@pytest.mark.parametrize("values", [("5", "1"), ("dog", "cat")])
def test_a_column_called_label_may_hold_either(tmp_path, values):
    first, second = values
    data = table(tmp_path, f"FileName,Label\na.jpg,{first}\nb.jpg,{second}\n")
    assert [record.labels for record in data] == [(first,), (second,)]
    assert data.classes == (second, first)


def test_a_table_of_everything(tmp_path):
    data = table(
        tmp_path,
        'file,class_index,wnid,name\na.jpg,517,n03126707,crane\nb.jpg,134,n02012849,crane\nc.jpg,1,n01443537,"goldfish,'
        ' Carassius auratus"\n',
    )
    assert data.classes == ("goldfish", "crane (n02012849)", "crane (n03126707)")
    assert data.aliases["goldfish"] == ("n01443537", "goldfish, Carassius auratus", "1")
    assert data[0].labels == ("crane (n03126707)",)


def test_broken_rows_keep_their_place(tmp_path):
    data = table(tmp_path, "file,name\na.jpg,dog\nlost.jpg,dog\nb.jpg,\n,cat\nc.jpg\n")
    assert [record.name for record in data] == ["a.jpg", "lost.jpg", "b.jpg", "row 5", "c.jpg"]
    errors = [record.error for record in data]
    assert errors[0] is None
    assert errors[1].startswith(
        "Expected the picture 'lost.jpg' that labels.csv names; it is neither in"
    )
    assert errors[2].startswith("Expected a class in the row of b.jpg; its columns are empty")
    assert errors[3].startswith("Expected the picture '' that labels.csv names")
    assert errors[4].startswith("Expected a class in the row of c.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "expected a column 'file' and one of .*; found 'a', 'b'"),
        ("file,weight\na.jpg,2\n", "found 'file', 'weight'"),
        ("", "found no header"),
        ("file,name\n", "expected one row a picture; found none below the header"),
    ],
)
def test_a_table_that_is_none(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        table(tmp_path, text)


def test_a_table_in_another_encoding(tmp_path):
    photo(tmp_path / "a.jpg")
    (tmp_path / "labels.csv").write_bytes("file,name\na.jpg,Bär\n".encode("latin1"))
    with pytest.raises(DataError, match="expected a table in CSV, UTF-8"):
        labelled_folder(tmp_path)


def test_the_real_thing():
    data = labelled_folder(shared("imagenet-samples"))
    assert (len(data), len(data.classes), data.errors) == (200, 200, {})
    assert data[0].labels == ("tench",)
    assert data.aliases["tench"] == ("n01440764", "0")
    assert data[0].picture.is_file()
