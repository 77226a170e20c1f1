"""What the columns of a table mean: which is the picture, and cells in all their forms."""

import pytest

from sightline.datasets.class_lists import Names
from sightline.datasets.formats.columns import (
    Columns,
    boxes_of,
    class_names,
    class_of,
    objects_of,
)
from sightline.datasets.record import Object
from sightline.errors import DataError

NAMES = Names(("cat", "dog"))


def test_of_several_the_better_known_name_is_taken_wherever_it_stands():
    found = Columns.of(["name", "label", "bytes", "image", "bbox", "annotations"], "a.parquet")
    assert found == Columns("image", "label", "bbox", "annotations")
    assert Columns.of(["png"], "a.parquet") == Columns("png", None, None, None)


def test_a_table_without_pictures_is_told_what_it_has():
    with pytest.raises(DataError) as told:
        Columns.of(["label", "Image"], "a.parquet")
    assert str(told.value) == (
        "a.parquet: expected a column 'image' with the pictures' bytes; found 'label', 'Image'."
        " Rename the column."
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "no class is given"),
        ("", "no class is given"),
        (2, "the class is 2, and there are 2 names"),
        (-1, "the class is -1, and there are 2 names"),
    ],
)
def test_a_cell_that_names_no_class(value, message):
    with pytest.raises(ValueError, match=message):
        class_of(value, NAMES)


def test_a_class_by_number_or_name_with_and_without_a_list():
    assert [class_of(value, NAMES) for value in (0, 1, "cow")] == ["cat", "dog", "cow"]
    assert [class_of(value, None) for value in (0, -1, "cow")] == ["0", "-1", "cow"]


def test_no_box_one_box_several():
    assert boxes_of([]) == []
    assert boxes_of([1, 2, 3, 4]) == boxes_of([(1, 2, 3, 4)]) == [(1, 2, 3, 4)]
    for wrong in ([1, 2, 3], [[1, 2, 3, 4], [1, 2, 3, 4, 5]], [1, None, 3, 4]):
        with pytest.raises(ValueError, match=r"a box has the numbers .*, not four"):
            boxes_of(wrong)


def test_a_struct_of_lists_and_a_list_of_structs_are_the_same_objects():
    """`bbox` is x, y, width, height: 1 + 3 and 2 + 4, 5 + 1 and 6 + 2; `box` is taken as it is."""
    want = [Object("cat", (1, 2, 4, 6)), Object("dog", (5, 6, 6, 8), crowd=True)]
    lists = {"bbox": [[1, 2, 3, 4], [5, 6, 1, 2]], "category": [0, 1], "iscrowd": [0, 1]}
    structs = [
        {"bbox": [1, 2, 3, 4], "category": 0, "iscrowd": 0},
        {"box": [5, 6, 6, 8], "label": "dog", "is_crowd": True},
    ]
    assert objects_of(lists, NAMES) == objects_of(structs, NAMES) == want
    assert objects_of([], NAMES) == []
    assert objects_of([{**structs[0], "difficult": 1}], NAMES)[0].difficult


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ([{"bbox": [1, 2, 3, 4]}], r"an object has 'bbox', not bbox \(or box\) and category"),
        ([{"category": 1, "area": 3}], "an object has 'category', 'area', not bbox"),
        ({"bbox": [[1, 2, 3, 4]], "category": [0, 1]}, "the lists of its objects differ in length"),
        ([{"bbox": [1, 2, 3, 4], "category": 7}], "the class is 7, and there are 2 names"),
    ],
)
def test_objects_that_cannot_be_understood(cell, message):
    with pytest.raises(ValueError, match=message):
        objects_of(cell, NAMES)


def test_class_names_are_found_however_deep_the_hubs_put_them():
    label = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    within = lambda feature: {"info": {"features": {"objects": feature}}}  # noqa: E731
    for feature in (label, [{"category": label}], {"category": {"feature": label}}):
        assert class_names(within(feature), "objects") == ["cat", "dog"]
    nothing = {"_type": "ClassLabel", "names": []}
    assert [class_names(within(one), "objects") for one in (nothing, {"_type": "Value"}, [])] == [
        None
    ] * 3
    assert class_names(within(label), "label") is class_names({}, "label") is None
    assert class_names(within(label), None) is None
