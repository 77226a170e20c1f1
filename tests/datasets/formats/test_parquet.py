"""Parquet tables: pictures read late, classes by number or name, boxes in three forms."""

import json
import pickle

import numpy as np
import pytest
import torch

from helpers.data import shared
from helpers.data_set_files import photo
from sightline.datasets import ONE, SEVERAL, Object, load, parquet
from sightline.datasets.formats.columns import Columns
from sightline.errors import DataError, ImageError
from sightline.images import read
from sightline.types import Preprocess

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def pictures(tmp_path, count, width=20, height=10):
    return [
        photo(tmp_path / "p.png", width, height, (i * 10, 0, 0)).read_bytes() for i in range(count)
    ]


def write(path, metadata=None, group=2, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    table = table.replace_schema_metadata(
        {key: json.dumps(value) for key, value in (metadata or {}).items()}
    )
    pq.write_table(table, path, row_group_size=group)
    return path


def structs(contents, names=None):
    return [
        {"bytes": one, "path": None if names is None else names[i]}
        for i, one in enumerate(contents)
    ]


def test_pictures_are_read_from_their_row_group(tmp_path):
    contents = pictures(tmp_path, 5)
    for image in (contents, structs(contents)):
        data = parquet(write(tmp_path / "a.parquet", image=image, label=[0, 1, 0, 1, 0]))
        assert [record.picture.read() for record in data] == contents
        assert [np.asarray(read(record.picture))[0, 0, 0] for record in data] == [0, 10, 20, 30, 40]
        assert [record.name for record in data] == ["a 0:0", "a 0:1", "a 1:0", "a 1:1", "a 2:0"]
        assert data.classes == ("0", "1")


def test_rows_are_called_as_the_table_says(tmp_path):
    image = structs(pictures(tmp_path, 3), ["x.jpg", "y.jpg", "y.jpg"])
    data = parquet(write(tmp_path / "a.parquet", image=image))
    assert [record.name for record in data] == ["x.jpg", "a 0:1", "a 1:0"]
    assert data.classes is None
    assert data[0].labels == ()


def test_names_of_classes(tmp_path):
    image = pictures(tmp_path, 2)
    hub = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    path = write(tmp_path / "a.parquet", {"huggingface": hub}, image=image, label=[1, 0])
    assert parquet(path).classes == ("cat", "dog")
    assert parquet(path)[0].labels == ("dog",)
    write(
        path,
        {"classes": [{"wnid": "n1", "name": "cat, puss"}, {"wnid": "n2", "name": "dog"}]},
        image=image,
        label=[1, 0],
    )
    assert parquet(path).aliases["cat"] == ("n1", "cat, puss")
    (tmp_path / "classes.json").write_text('{"0": "zebra", "1": "ant"}')
    assert parquet(path).classes == ("zebra", "ant")
    write(path, image=image, label=["b", "a"])
    (tmp_path / "classes.json").unlink()
    assert parquet(path).classes == ("a", "b")


def test_one_box_a_row(tmp_path):
    image = pictures(tmp_path, 3)
    boxes = [[1, 2, 20, 10], [0, 0, 5, 5], None]
    data = parquet(write(tmp_path / "a.parquet", image=image, label=["a", "b", "c"], box=boxes))
    assert [record.objects for record in data] == [
        (Object("a", (1, 2, 20, 10)),),
        (Object("b", (0, 0, 5, 5)),),
        (),
    ]
    assert [record.annotated for record in data] == [True, True, False]
    assert [record.tags for record in data] == [(ONE,), (ONE,), ()]
    assert data.notes == ()


def test_boxes_that_count_their_last_pixel(tmp_path):
    image = pictures(tmp_path, 2)  # 20 x 10: columns 0 to 19, rows 0 to 9
    path = write(
        tmp_path / "a.parquet", image=image, label=["a", "b"], box=[[1, 2, 19, 9], [3, 0, 3, 9]]
    )
    data = parquet(path)
    assert [record.objects[0].box for record in data] == [(1, 2, 20, 10), (3, 0, 4, 10)]
    (note,) = data.notes
    assert "This is a guess" in note
    assert "inclusive=False" in note
    for boxes in (
        [[1, 2, 19, 9], [3, 0, 20, 9]],  # one ends at the edge itself
        [[1.0, 2, 19, 9], [3, 0, 3.5, 9]],  # not in whole numbers
        [[1, 2, 19, 9], [3, 0, 4, 4]],  # too few to be sure
    ):
        write(path, image=image, label=["a", "b"], box=boxes)
        assert [list(record.objects[0].box) for record in parquet(path)] == boxes


def test_the_guess_about_the_last_pixel_can_be_overruled_and_is_then_no_note(tmp_path):
    image = pictures(tmp_path, 2)
    path = write(
        tmp_path / "a.parquet", image=image, label=["a", "b"], box=[[1, 2, 19, 9], [3, 0, 3, 9]]
    )
    assert [record.objects[0].box for record in parquet(path)] == [(1, 2, 20, 10), (3, 0, 4, 10)]
    exclusive = parquet(path, inclusive=False)
    assert exclusive[0].objects[0].box == (1, 2, 19, 9)
    assert "left < right" in exclusive[1].error
    write(path, image=image, label=["a", "b"], box=[[1, 2, 19, 9], [3, 0, 20, 9]])
    assert parquet(path)[0].objects[0].box == (1, 2, 19, 9)
    inclusive = parquet(path, inclusive=True)
    assert inclusive[0].objects[0].box == (1, 2, 20, 10)
    assert (inclusive.notes, exclusive.notes) == ((), ())


def test_several_boxes_a_row(tmp_path):
    path = write(
        tmp_path / "a.parquet",
        image=pictures(tmp_path, 1),
        label=["a"],
        boxes=[[[0, 0, 4, 4], [5, 5, 9, 9]]],
    )
    (record,) = parquet(path)
    assert record.objects == (Object("a", (0, 0, 4, 4)), Object("a", (5, 5, 9, 9)))
    assert record.tags == (SEVERAL,)


@pytest.mark.parametrize("as_lists", [True, False])
def test_objects(tmp_path, as_lists):
    objects = [
        {"bbox": [1.0, 2.0, 3.0, 4.0], "category": 1},
        {"bbox": [0.0, 0.0, 2.0, 2.0], "category": 0},
    ]
    cell = (
        {key: [one[key] for one in objects] for key in ("bbox", "category")}
        if as_lists
        else objects
    )
    names = {
        "category": {
            "feature": {"names": ["cat", "dog"], "_type": "ClassLabel"},
            "_type": "Sequence",
        }
    }
    hub = {"info": {"features": {"objects": names}}}
    path = write(
        tmp_path / "a.parquet",
        {"huggingface": hub},
        image=pictures(tmp_path, 1),
        objects=[cell],
        width=[20],
        height=[10],
    )
    (record,) = parquet(path)
    assert record.objects == (Object("dog", (1, 2, 4, 6)), Object("cat", (0, 0, 2, 2)))
    assert (record.labels, record.size, record.annotated) == (("dog", "cat"), (20, 10), True)
    assert parquet(path).classes == ("cat", "dog")


def test_broken_rows_keep_their_place(tmp_path):
    image = [*pictures(tmp_path, 4), None]
    path = write(
        tmp_path / "a.parquet",
        {"classes": ["a", "b"]},
        image=image,
        label=[0, None, 7, 1, 1],
        box=[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [5, 2, 3, 4], [1, 2, 3, 4]],
    )
    data = parquet(path)
    assert len(data) == 5
    errors = [record.error for record in data]
    assert errors[0] is None
    assert "no class is given" in errors[1]
    assert "the class is 7, and there are 2 names" in errors[2]
    assert "Expected a box with left < right and top < bottom; the b's is (5, 2, 3, 4)" in errors[3]
    with pytest.raises(ImageError, match=r"expected the bytes of a picture; this row holds none"):
        data[4].picture.read()


def test_boxes_of_three_numbers(tmp_path):
    path = write(tmp_path / "a.parquet", image=pictures(tmp_path, 1), label=["a"], box=[[1, 2, 3]])
    assert "a box has the numbers [1, 2, 3], not four" in parquet(path)[0].error


def test_parts_have_to_be_chosen(tmp_path):
    for name in ("train-00000-of-00002", "train-00001-of-00002", "validation-00000-of-00001"):
        write(tmp_path / "data" / f"{name}.parquet", image=pictures(tmp_path, 1), label=[name])
    with pytest.raises(DataError, match="found several: train, val"):
        parquet(tmp_path)
    assert [record.labels[0][:11] for record in parquet(tmp_path, split="train")] == [
        "train-00000",
        "train-00001",
    ]
    assert len(parquet(tmp_path, split="val")) == len(parquet(tmp_path, split="validation")) == 1


def test_a_file_is_not_taken_for_another_part(tmp_path):
    path = write(tmp_path / "train.parquet", image=pictures(tmp_path, 1), label=[0])
    assert len(parquet(path, split="train")) == len(parquet(path)) == 1
    with pytest.raises(
        DataError, match=r"expected a part called 'val'; found train \(train\.parquet\)"
    ):
        parquet(path, split="val")


def test_a_row_without_a_picture_says_so_when_it_is_loaded(tmp_path):
    data = parquet(
        write(tmp_path / "a.parquet", image=[*pictures(tmp_path, 1), None], label=[0, 0])
    )
    message = (
        r"a\.parquet\[0:1\]: expected the bytes of a picture; this row holds none\. Write the table"
        r" again\.$"
    )
    with pytest.raises(ImageError, match=message):
        load(data[1], Preprocess())


def test_tables_that_are_none(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="expected a Parquet file; it cannot be read"):
        parquet(tmp_path / "a.parquet")
    write(tmp_path / "b.parquet", text=["a"])
    with pytest.raises(
        DataError, match="expected a column 'image' with the pictures' bytes; found 'text'"
    ):
        parquet(tmp_path / "b.parquet")
    write(tmp_path / "c.parquet", image=pa.array([], pa.binary()))
    with pytest.raises(DataError, match="expected at least one row; found none"):
        parquet(tmp_path / "c.parquet")
    (tmp_path / "no").mkdir()
    with pytest.raises(DataError, match=r"expected \.parquet files; found none"):
        parquet(tmp_path / "no")
    with pytest.raises(DataError, match="found 'a', 'b'"):
        Columns.of(["a", "b"], "x")


def test_records_are_light_and_workers_read_them(tmp_path):
    contents = pictures(tmp_path, 6)
    data = parquet(write(tmp_path / "a.parquet", image=contents, label=[0] * 6))
    assert len(pickle.dumps(data[0])) < 700
    assert len(pickle.dumps(data)) < 4000
    data[0].picture.read()  # the file is open here, too, when the workers begin
    loader = torch.utils.data.DataLoader(_Contents(data), batch_size=None, num_workers=2)
    assert list(loader) == contents


class _Contents:
    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index].picture.read()


def test_the_real_thing():
    data = parquet(shared("tinyimagenet50"), split="val")
    assert (len(data), len(data.classes), data.errors) == (1500, 50, {})
    assert [note[:46] for note in data.notes] == ["Boxes are taken to count their last pixel in. "]
    assert data[0].name == "val_611.JPEG"
    assert data[0].objects == (Object("goldfish", (12, 0, 52, 57)),)
    assert data.aliases["goldfish"] == ("n01443537", "goldfish, Carassius auratus")
    assert read(data[1499].picture).size == (64, 64)
    with pytest.raises(DataError, match="found several: train, val"):
        parquet(shared("tinyimagenet50"))
