"""What is true of every annotated record: its boxes make sense, its labels follow from them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sightline.datasets.record import Number, Object, Record

SEVERAL = "several of a class"
ONE = "one of a class"
SLACK = 1
"""By how many pixels a box may reach beyond its picture: published boxes are rounded, and cut where
it matters.
"""


def annotated(
    name: str,
    picture: Any,
    objects: Sequence[Object],
    *,
    size: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
    error: str | None = None,
) -> Record:
    """A record whose objects are known.

    Labels and tags follow from those that count; the first fault is its error.

    `labels` are taken from the objects unless they are given.

    >>> dogs = [
    ...     Object("dog", (0, 0, 4, 4)),
    ...     Object("dog", (5, 0, 9, 4)),
    ...     Object("cat", (0, 0, 9, 9), crowd=True),
    ... ]
    >>> record = annotated("a", "a.jpg", dogs, size=(9, 9))
    >>> record.labels, record.tags, record.error
    (('dog',), ('several of a class',), None)
    """
    counted = Counter(one.name for one in objects if one.counts)
    tag = () if not counted else (SEVERAL,) if max(counted.values()) > 1 else (ONE,)
    faults = (fault for one in objects if (fault := box_fault(one.box, size, one.name)))
    found = tuple(counted) if labels is None else tuple(labels)
    return Record(
        name, picture, found, tuple(objects), True, tag, size, error or next(faults, None)
    )


def box_fault(
    box: Sequence[Number], size: tuple[int, int] | None, name: str = "object"
) -> str | None:
    """What is wrong with a box in a picture of `size`, as a sentence; None for nothing.

    >>> print(box_fault((3, 0, 2, 5), None, "cat"))
    Expected a box with left < right and top < bottom; the cat's is (3, 0, 2, 5). Mend the
    annotation.
    >>> box_fault((0, 0, 9.5, 5), (9, 5)) is None
    True
    """
    left, top, right, bottom = box
    if not (left < right and top < bottom):  # nan is neither
        return (
            f"Expected a box with left < right and top < bottom; the {name}'s is {_listed(box)}."
            " Mend the annotation."
        )
    if size is None:
        return None
    width, height = size
    inside = (
        left >= -SLACK and top >= -SLACK and right <= width + SLACK and bottom <= height + SLACK
    )
    if not (inside and left < width and top < height and right > 0 and bottom > 0):
        return (
            f"Expected a box within the picture of {width} x {height} pixels; the {name}'s is"
            f" {_listed(box)} (left, top, right, bottom). Mend the annotation, or the size it"
            " states."
        )
    return None


def _listed(box: Sequence[Number]) -> str:
    return "(" + ", ".join(f"{float(value):g}" for value in box) + ")"
