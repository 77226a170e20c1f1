"""PASCAL VOC: boxes counted from 1, difficult objects, masks; and everything that can be broken."""

import pickle

import numpy as np
import pytest

from helpers.data import shared
from helpers.data_set_files import palette, photo, voc_item, xml
from sightline.datasets import ONE, SEVERAL, Object, voc
from sightline.errors import DataError


def test_boxes_are_counted_from_one(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 20, 10), ("dog", 3, 2, 3, 2)], difficult=[1])
    (record,) = voc(tmp_path)
    assert record.objects == (
        Object("cat", (0, 0, 20, 10)),
        Object("dog", (2, 1, 3, 2), difficult=True),
    )
    assert (record.name, record.size, record.annotated, record.error) == ("a", (20, 10), True, None)
    assert record.labels == ("cat",)  # a difficult object is not counted
    assert record.tags == (ONE,)
    assert record.picture == tmp_path / "JPEGImages" / "a.jpg"


def test_several_of_a_class_are_tagged(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5), ("cat", 6, 1, 9, 5), ("dog", 1, 1, 2, 2)])
    voc_item(tmp_path, "b", [("cat", 1, 1, 5, 5), ("cat", 6, 1, 9, 5)], difficult=[0])
    voc_item(tmp_path, "c", [])
    assert [record.tags for record in voc(tmp_path)] == [(SEVERAL,), (ONE,), ()]
    assert [record.annotated for record in voc(tmp_path)] == [True] * 3


def test_names_of_its_own_are_sorted_and_voc_s_are_in_voc_s_order(tmp_path):
    voc_item(tmp_path, "a", [("zebra", 1, 1, 5, 5), ("ant", 1, 1, 5, 5)])
    assert voc(tmp_path).classes == ("ant", "zebra")
    voc_item(tmp_path, "a", [("dog", 1, 1, 5, 5)])
    assert len(voc(tmp_path).classes) == 20
    assert voc(tmp_path).classes[11] == "dog"


def test_a_list_names_the_split(tmp_path):
    for stem in ("a", "b", "c"):
        voc_item(tmp_path, stem, [("cat", 1, 1, 5, 5)])
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("c\na -1\n\nlost\n")
    data = voc(tmp_path, split="val")
    assert [record.name for record in data] == ["c", "a", "lost"]
    assert data[2].error.startswith("Expected the picture lost that the list names; it is not in")
    with pytest.raises(
        DataError, match=r"expected the list ImageSets/Main/test\.txt .*There are: val\."
    ):
        voc(tmp_path, split="test")


def test_masks_of_objects(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5), ("dog", 6, 1, 9, 5)])
    indices = np.zeros((10, 20), int)
    indices[0:4, 0:4], indices[0:5, 5:9], indices[4, 0:5] = 1, 2, 255
    palette(tmp_path / "SegmentationObject" / "a.png", indices)
    cat, dog = voc(tmp_path)[0].objects
    assert np.array_equal(cat.pixels(), indices == 1)
    assert np.array_equal(dog.pixels(), indices == 2)


def test_masks_of_classes_are_cut_at_the_box(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5), ("cat", 11, 1, 15, 5)])
    indices = np.zeros((10, 20), int)
    indices[2:4] = 8  # cat is VOC's eighth class
    palette(tmp_path / "SegmentationClass" / "a.png", indices)
    first, second = (one.pixels() for one in voc(tmp_path)[0].objects)
    assert (first.sum(), second.sum()) == (10, 10)
    assert first[2:4, 0:5].all()
    assert second[2:4, 10:15].all()


def test_broken_records_keep_their_place(tmp_path):
    for stem in "abcdefg":
        voc_item(tmp_path, stem, [("cat", 1, 1, 5, 5)])
    notes, pictures = tmp_path / "Annotations", tmp_path / "JPEGImages"
    (notes / "a.xml").write_text(xml([("cat", 1, 1, 5, 5)])[:90])  # cut off
    (pictures / "b.jpg").unlink()
    (notes / "c.xml").write_text(xml([("cat", 9, 1, 5, 5)]))
    (notes / "d.xml").write_text(xml([("cat", 1, 1, 35, 5)]))
    (notes / "e.xml").write_text(xml([("cat", 1, 1, 5, 5)]).replace("<name>cat</name>", ""))
    (notes / "f.xml").write_text(xml([("cat", 1, 1, 5, 5)]).replace("<ymax>5</ymax>", ""))
    (notes / "g.xml").write_text(xml([("cat", 1, 1, 5, 5)]).replace("<xmin>1<", "<xmin>one<"))
    data = voc(tmp_path)
    assert [record.name for record in data] == list("abcdefg")
    errors = [record.error for record in data]
    for error, expected in zip(
        errors,
        [
            "Expected an annotation in VOC's XML in a.xml; it cannot be understood",
            "Expected the picture b that b.xml describes; it is not in",
            "Expected a box with left < right and top < bottom; the cat's is (8, 0, 5, 5).",
            "Expected a box within the picture of 20 x 10 pixels; the cat's is (0, 0, 35, 5)",
            "in e.xml; it cannot be understood (object 1 has no name)",
            "(object 1 has no bndbox/ymax)",
            "(could not convert string to float: 'one')",
        ],
        strict=True,
    ):
        assert expected in error
    assert len(data.errors) == 7


def test_a_picture_without_annotation_is_not_annotated(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5)])
    photo(tmp_path / "JPEGImages" / "b.png")
    assert [(r.name, r.annotated, r.error) for r in voc(tmp_path)] == [
        ("a", True, None),
        ("b", False, None),
    ]


def test_a_size_of_zero_is_not_known(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5)], size=(0, 0))
    assert voc(tmp_path)[0].size is None


def test_a_picture_called_as_the_xml_says(tmp_path):
    voc_item(tmp_path, "a", [("cat", 1, 1, 5, 5)])
    (tmp_path / "JPEGImages" / "a.jpg").rename(tmp_path / "JPEGImages" / "x.jpg")
    by_name = {record.name: record for record in voc(tmp_path)}
    assert by_name["a"].picture == tmp_path / "JPEGImages" / "x.jpg"


def test_nothing_there(tmp_path):
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(
        DataError, match=r"expected pictures in JPEGImages/ and XML files .*; found none"
    ):
        voc(tmp_path)


def test_the_real_thing():
    data = voc(shared("voc2007-sample"))
    assert len(data) == 13
    assert data.errors == {}
    record = {record.name: record for record in data}["000032"]
    assert record.objects[0] == Object("aeroplane", (103, 77, 375, 183))
    assert (record.labels, record.tags, record.size) == (
        ("aeroplane", "person"),
        (SEVERAL,),
        (500, 281),
    )
    for one in (
        record.objects
    ):  # each mask lies in its own box, and reaches from side to side, but for VOC's border
        rows, columns = np.nonzero(one.pixels())
        left, top, right, bottom = one.box
        inside = (columns >= left) & (columns < right) & (rows >= top) & (rows < bottom)
        assert inside.mean() > 0.97
        assert max(columns.min() - left, right - 1 - columns.max()) <= 5
    assert pickle.loads(pickle.dumps(record)) == record


def test_real_sets_of_one_class():
    for name, pictures, boxes, several in [
        ("kangaroo-voc", 98, 158, 34),
        ("raccoon-voc", 116, 127, 10),
    ]:
        data = voc(shared(name))
        assert (len(data), sum(len(record.objects) for record in data)) == (pictures, boxes)
        assert sum(SEVERAL in record.tags for record in data) == several
        assert data.errors == {}


def test_two_real_sets_by_name():
    assert voc(shared("kangaroo-voc")).classes == ("kangaroo",)
    assert voc(shared("raccoon-voc")).classes == ("raccoon",)
