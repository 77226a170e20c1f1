"""What the columns of a table of pictures mean: the picture, the class, the boxes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightline.datasets.class_lists import Names
from sightline.datasets.record import Number, Object
from sightline.errors import DataError

PICTURES = ("image", "img", "picture", "jpg", "png", "bytes", "image_bytes")
LABELS = ("label", "labels", "class", "class_index", "fine_label", "target", "category", "name")
BOXES = ("box", "boxes", "bbox", "bboxes")
OBJECTS = ("objects", "annotations")
OBJECT_NAMES = ("category", "categories", "category_id", "label", "labels", "class", "name")


@dataclass(frozen=True)
class Columns:
    """The names of the columns in use; None where there is no such column."""

    picture: str
    label: str | None
    boxes: str | None
    objects: str | None

    @staticmethod
    def of(names: Sequence[str], where: Any) -> "Columns":
        """Recognised by their names. Raises `DataError` when none is a picture's.

        >>> Columns.of(["image", "label", "box"], "a.parquet")
        Columns(picture='image', label='label', boxes='box', objects=None)
        """
        picture, label, boxes, objects = (
            next((known for known in choices if known in names), None)
            for choices in (PICTURES, LABELS, BOXES, OBJECTS)
        )
        if picture is None:
            raise DataError(
                f"{where}: expected a column 'image' with the pictures' bytes; found"
                f" {', '.join(map(repr, names))}. Rename the column."
            )
        return Columns(picture, label, boxes, objects)


def class_of(value: Any, names: Names | None) -> str:
    """The class a cell names, by number or by name.

    Raises `ValueError` for an empty cell, and a number without a name.

    >>> class_of(1, Names(("cat", "dog"))), class_of("cat", None), class_of(7, None)
    ('dog', 'cat', '7')
    """
    if value is None or value == "":
        raise ValueError("no class is given")
    if isinstance(value, int) and names is not None:
        if not 0 <= value < len(names.names):
            raise ValueError(f"the class is {value}, and there are {len(names.names)} names")
        return names.names[value]
    return str(value)


def boxes_of(value: Any) -> list[tuple[Number, Number, Number, Number]]:
    """The boxes of a cell that holds one, or a list of them.

    Raises `ValueError` for other numbers than four.

    >>> boxes_of([1, 2, 3, 4]), boxes_of([[1, 2, 3, 4], [5, 6, 7, 8.5]])
    ([(1, 2, 3, 4)], [(1, 2, 3, 4), (5, 6, 7, 8.5)])
    """
    rows = [value] if value and not isinstance(value[0], list | tuple) else value
    boxes = []
    for row in rows:
        if len(row) != 4 or any(number is None for number in row):
            raise ValueError(f"a box has the numbers {list(row)}, not four")
        boxes.append((row[0], row[1], row[2], row[3]))
    return boxes


def objects_of(value: Any, names: Names | None) -> list[Object]:
    """The objects of a cell: a struct of lists, or a list of structs.

    `bbox` is x, y, width, height, as the hubs write it after COCO; `box` (`boxes`) is left, top,
    right, bottom. Raises `ValueError` for a cell without boxes or categories.

    >>> objects_of({"bbox": [[1, 2, 3, 4]], "category": ["cat"]}, None)
    [Object(name='cat', box=(1, 2, 4, 6), difficult=False, crowd=False)]
    """
    each: Iterable[Mapping[str, Any]] = _lists(value) if isinstance(value, Mapping) else value
    found = []
    for one in each:
        box_key = next((key for key in (*BOXES[2:], *BOXES[:2]) if key in one), None)
        name_key = next((key for key in OBJECT_NAMES if key in one), None)
        if box_key is None or name_key is None:
            raise ValueError(
                f"an object has {', '.join(map(repr, one))}, not bbox (or box) and category"
            )
        ((left, top, right, bottom),) = boxes_of(list(one[box_key]))
        if box_key in BOXES[2:]:
            right, bottom = left + right, top + bottom
        crowd = bool(one.get("iscrowd") or one.get("is_crowd"))
        name = class_of(one[name_key], names)
        found.append(
            Object(name, (left, top, right, bottom), None, bool(one.get("difficult")), crowd)
        )
    return found


def _lists(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    lists = {key: entries for key, entries in value.items() if isinstance(entries, list)}
    if len({len(entries) for entries in lists.values()}) > 1:
        raise ValueError("the lists of its objects differ in length")
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def class_names(metadata: Mapping[str, Any], column: str | None) -> Any:
    """The class names of a column in the hubs' description of a table; None where it has none.

    >>> class_names(
    ...     {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}},
    ...     "label",
    ... )
    ['cat', 'dog']
    """
    features = metadata.get("info", {}).get("features", {})
    waiting = [features.get(column)] if column else []
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            if one.get("_type") == "ClassLabel" and one.get("names"):
                return one["names"]
            waiting += list(one.values())
        elif isinstance(one, list):
            waiting += one
    return None
