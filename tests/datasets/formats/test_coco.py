"""MS COCO: boxes, masks of all three kinds, crowds, images of which nothing is said; and what can
be broken.
"""

import json
import pickle

import numpy as np
import pytest

from helpers.data import shared
from helpers.data_set_files import coco_set, packed_runs, photo
from sightline.datasets import ONE, SEVERAL, Object, coco
from sightline.errors import DataError

IMAGE = {"id": 7, "file_name": "a.jpg", "width": 20, "height": 10}


def note(box, **rest):
    return {
        "id": 1,
        "image_id": 7,
        "category_id": 2,
        "bbox": box,
        "iscrowd": 0,
        "segmentation": [],
        **rest,
    }


def test_boxes_are_corner_and_size(tmp_path):
    (record,) = coco(coco_set(tmp_path, [IMAGE], [note([2, 3, 4.5, 5])]))
    assert record.objects == (Object("dog", (2, 3, 6.5, 8)),)
    assert (record.name, record.size, record.labels, record.tags) == (
        "a.jpg",
        (20, 10),
        ("dog",),
        (ONE,),
    )
    assert record.picture == tmp_path / "images" / "a.jpg"
    assert record.objects[0].mask is None
    assert coco(tmp_path).classes == ("cat", "dog")


def test_the_three_kinds_of_masks(tmp_path):
    polygon = note([2, 1, 3, 2], segmentation=[[2, 1, 5, 1, 5, 3, 2, 3]])
    plain = {
        "counts": [21, 2, 8, 2, 8, 2, 157],
        "size": [10, 20],
    }  # columns of 10: rows 1, 2 of columns 2, 3, 4
    data = coco(coco_set(tmp_path, [IMAGE], [polygon, note([2, 1, 3, 2], segmentation=plain)]))
    expected = np.zeros((10, 20), bool)
    expected[1:3, 2:5] = True
    for one in data[0].objects:
        assert np.array_equal(one.pixels(), expected)
    packed = {"counts": packed_runs(plain["counts"]), "size": [10, 20]}
    coco_set(tmp_path, [IMAGE], [note([2, 1, 3, 2], segmentation=packed)])
    assert np.array_equal(coco(tmp_path)[0].objects[0].pixels(), expected)


def test_crowds_are_not_counted(tmp_path):
    crowd = note(
        [0, 0, 20, 10],
        iscrowd=1,
        category_id=1,
        segmentation={"counts": [0, 200], "size": [10, 20]},
    )
    (record,) = coco(coco_set(tmp_path, [IMAGE], [note([2, 3, 4, 5]), crowd]))
    assert [one.crowd for one in record.objects] == [False, True]
    assert (record.labels, record.tags) == (("dog",), (ONE,))
    several = coco_set(tmp_path, [IMAGE], [note([2, 3, 4, 5]), note([8, 3, 4, 5]), crowd])
    assert coco(several)[0].tags == (SEVERAL,)


def test_an_image_of_which_nothing_is_said(tmp_path):
    images = [
        IMAGE | {"has_boxes": False},
        IMAGE | {"id": 8, "file_name": "b.jpg", "has_boxes": True},
    ]
    first, second = coco(coco_set(tmp_path, images, []))
    assert (first.annotated, first.tags) == (False, ())
    assert (second.annotated, second.objects) == (True, ())


def test_broken_records_keep_their_place(tmp_path):
    images = [IMAGE | {"id": i, "file_name": f"{i}.jpg"} for i in range(7)]
    wrong = [
        note([2, 3, 0, 5], image_id=0),
        note([2, 3, 40, 5], image_id=1),
        note([2, 3, 4, 5], image_id=2, category_id=99),
        note([2, 3, 4], image_id=3),
        note(None, image_id=4),
        note([2, 3, 4, 5], image_id=6),
    ]
    coco_set(tmp_path, images, wrong)
    (tmp_path / "images" / "5.jpg").unlink()
    data = coco(tmp_path)
    assert [record.name for record in data] == [f"{i}.jpg" for i in range(7)]
    for record, expected in zip(
        data,
        [
            "Expected a box with left < right and top < bottom; the dog's is (2, 3, 2, 8)",
            "Expected a box within the picture of 20 x 10 pixels; the dog's is (2, 3, 42, 8)",
            "annotation 1 of 2.jpg differs (KeyError: 99)",
            "annotation 1 of 3.jpg differs (ValueError",
            "annotation 1 of 4.jpg differs (TypeError",
            "Expected the picture 5.jpg that the JSON lists; it is not in",
            None,
        ],
        strict=True,
    ):
        assert record.error is None if expected is None else expected in record.error


def test_annotations_of_images_that_are_not_listed_are_told(tmp_path):
    data = coco(coco_set(tmp_path, [IMAGE], [note([2, 3, 4, 5]), note([2, 3, 4, 5], image_id=99)]))
    assert data.notes == (
        "1 annotations of instances.json belong to images that it does not list.",
    )
    assert len(data[0].objects) == 1


def test_files_as_coco_lays_them_out(tmp_path):
    coco_set(tmp_path, [IMAGE], [note([2, 3, 4, 5])])
    (tmp_path / "annotations").mkdir()
    content = (tmp_path / "instances.json").read_text()
    (tmp_path / "instances.json").unlink()
    for year in ("train2017", "val2017"):
        (tmp_path / "annotations" / f"instances_{year}.json").write_text(content)
        photo(tmp_path / year / "a.jpg")
    with pytest.raises(
        DataError,
        match=r"expected one JSON file of annotations; found .*train2017.*val2017.*a split",
    ):
        coco(tmp_path)
    data = coco(tmp_path, split="val2017")
    assert data[0].picture == tmp_path / "val2017" / "a.jpg"
    assert coco(tmp_path, split="val").split == "val"
    assert len(coco(tmp_path / "annotations" / "instances_val2017.json", split="val")) == 1
    (tmp_path / "annotations" / "instances_val2014.json").write_text(content)
    with pytest.raises(DataError, match="expected annotations for split 'val'; found"):
        coco(tmp_path, split="val")
    alone = coco(tmp_path / "annotations" / "instances_train2017.json")
    assert alone[0].picture == tmp_path / "train2017" / "a.jpg"
    with pytest.raises(DataError, match="expected annotations for split 'test'; found"):
        coco(tmp_path, split="test")


def test_a_split_that_the_images_name(tmp_path):
    images = [
        IMAGE | {"split": "val2017"},
        IMAGE | {"id": 8, "file_name": "b.jpg", "split": "train2017"},
    ]
    coco_set(tmp_path, images, [])
    assert [record.name for record in coco(tmp_path, split="train")] == ["b.jpg"]
    with pytest.raises(
        DataError, match="expected images of split 'test'; found train2017, val2017"
    ):
        coco(tmp_path, split="test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"annotations": []}', "expected COCO's JSON, a dict with 'images'.*came 'annotations'"),
        ("[1, 2]", "expected COCO's JSON, a dict .*came list"),
        ('{"images": []', "it cannot be read"),
        (
            '{"images": [], "annotations": []}',
            "expected at least one image; its list 'images' is empty",
        ),
        ('{"images": [7]}', "expected dicts in 'images'"),
    ],
)
def test_json_that_is_none_of_coco_s(tmp_path, content, message):
    (tmp_path / "instances.json").write_text(content)
    with pytest.raises(DataError, match=message):
        coco(tmp_path)


def test_no_json(tmp_path):
    with pytest.raises(
        DataError, match=r"expected COCO's annotations in instances\.json .*; found no such file"
    ):
        coco(tmp_path)


def test_an_image_without_a_file_name(tmp_path):
    (tmp_path / "instances.json").write_text(json.dumps({"images": [{"id": 3}]}))
    assert coco(tmp_path)[0].error.startswith(
        "Expected a file_name for the image with id 3; there is none"
    )


def test_values_of_the_wrong_kind(tmp_path):
    images = [IMAGE, IMAGE | {"id": 8, "file_name": "b.jpg", "width": "wide"}]
    content = {"images": images, "annotations": None, "categories": [{"id": 1}]}
    for name in ("a.jpg", "b.jpg"):
        photo(tmp_path / name)
    (tmp_path / "instances.json").write_text(json.dumps(content))
    data = coco(tmp_path)
    assert data.classes == ("1",)
    assert list(data.errors) == ["b.jpg"]
    assert data.errors["b.jpg"].startswith(
        "Expected width and height of b.jpg as numbers; came others"
    )


def test_the_real_thing():
    data = coco(shared("coco-subset"))
    assert len(data) == 383
    assert data.errors == {}
    assert data.notes == ()
    assert len(data.classes) == 80
    assert sum(record.annotated for record in data) == 332
    assert sum(len(record.objects) for record in data) == 2567
    assert sum(SEVERAL in record.tags for record in data) == 226
    crowds = [(record, one) for record in data for one in record.objects if one.crowd]
    assert len(crowds) == 13
    for record, one in crowds:
        pixels = one.pixels()
        assert pixels.shape == record.size[::-1]
        rows, columns = np.nonzero(pixels)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.array(seen) - np.array(one.box)).max() <= 2
    assert pickle.loads(pickle.dumps(data[0])) == data[0]
