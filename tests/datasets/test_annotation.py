"""Boxes that make sense, and what follows from the objects: labels, tags, the first fault."""

import pytest

from sightline.datasets.annotation import ONE, SEVERAL, annotated, box_fault
from sightline.datasets.record import Object

NAN = float("nan")


def thing(name, box=(0, 0, 4, 4), **flags):
    return Object(name, box, **flags)


@pytest.mark.parametrize(
    ("objects", "labels", "tags"),
    [
        ([thing("dog"), thing("cat")], ("dog", "cat"), (ONE,)),
        ([thing("dog"), thing("cat"), thing("dog")], ("dog", "cat"), (SEVERAL,)),
        ([thing("dog"), thing("dog", difficult=True)], ("dog",), (ONE,)),
        ([thing("dog", crowd=True)], (), ()),
        ([], (), ()),
    ],
    ids=["one each", "two of one", "one of two is difficult", "a crowd", "nothing"],
)
def test_labels_and_tags_follow_from_what_counts(objects, labels, tags):
    record = annotated("a", "a.jpg", objects, size=(9, 9))
    assert (record.labels, record.tags, record.error) == (labels, tags, None)
    assert record.annotated
    assert record.objects == tuple(objects)


def test_labels_that_are_given_stay_and_so_does_an_error():
    wrong = thing("dog", (4, 0, 4, 4))
    record = annotated("a", "a.jpg", [wrong], labels=["cat"], error="Expected another file.")
    assert (record.labels, record.error) == (("cat",), "Expected another file.")


def test_the_first_fault_is_the_record_s_also_of_what_does_not_count():
    crowd, dog = thing("cow", (0, 0, 20, 4), crowd=True), thing("dog", (4, 0, 4, 4))
    assert annotated("a", "a.jpg", [crowd, dog], size=(9, 5)).error == (
        "Expected a box within the picture of 9 x 5 pixels; the cow's is (0, 0, 20, 4) (left, top,"
        " right, bottom). Mend the annotation, or the size it states."
    )
    assert "the dog's is (4, 0, 4, 4)" in annotated("a", "a.jpg", [crowd, dog]).error


@pytest.mark.parametrize("box", [(3, 0, 3, 5), (0, 5, 2, 4), (NAN, 0, 2, 5), (0, 0, 2, NAN)])
def test_a_box_without_an_inside_is_told_with_or_without_a_size(box):
    for size in (None, (9, 5)):
        assert "left < right and top < bottom; the object's is" in box_fault(box, size)


@pytest.mark.parametrize(
    ("box", "fine"),
    [
        ((-1, -1, 10, 6), True),
        ((-1.5, 0, 9, 5), False),
        ((0, 0, 10.5, 5), False),
        ((0, 0, 9, 6.5), False),
        ((9, 0, 10, 5), False),
        ((-1, 0, 0, 5), False),
        ((0, 5, 9, 6), False),
    ],
    ids=["a pixel beyond", "left", "right", "below", "beside", "before", "under"],
)
def test_a_box_may_reach_a_pixel_beyond_the_picture_but_has_a_part_in_it(box, fine):
    assert (box_fault(box, (9, 5)) is None) is fine
