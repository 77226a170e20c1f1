"""Places in boxes, scaling, regions and overlaps, place by place, in any number of axes: what the
localisation metrics' twins share. A place is a tuple, its last number along the last axis; a box
names the last axis first.
"""

import itertools
import math
from typing import Any

import numpy as np
from torch import Tensor

Place = tuple[int, ...]


def table(one: Tensor) -> dict[Place, float]:
    return {place: float(one[place]) for place in np.ndindex(*one.shape)}


def scaled(one: Tensor) -> dict[Place, float]:
    """(L - min) / (max - min); a constant map is zero."""
    values = table(one.double())
    low, high = min(values.values()), max(values.values())
    return {
        place: (value - low) / (high - low) if high > low else 0.0
        for place, value in values.items()
    }


def inside(*asked: Any) -> bool:
    """Whether a place lies in one of the boxes, which come last."""
    *place, boxes = asked
    centre = [along + 0.5 for along in reversed(place)]
    return any(
        all(
            begin <= along < end
            for begin, along, end in zip(
                box[: len(centre)], centre, box[len(centre) :], strict=True
            )
        )
        for box in boxes.double().tolist()
    )


def area(*asked: Any) -> int:
    """How many places of a view lie in the boxes, which come last."""
    *size, boxes = asked
    return sum(inside(*place, boxes) for place in np.ndindex(*size))


def regions(mask: Any) -> list[list[Place]]:
    """All neighbours, corners too, found by walking from each place that nobody has seen yet."""
    todo = {tuple(place) for place in np.argwhere(np.array(mask)).tolist()}
    found = []
    for start in sorted(todo):
        if start not in todo:
            continue
        todo.remove(start)
        region, border = [], [start]
        while border:
            place = border.pop()
            region.append(place)
            steps = itertools.product((-1, 0, 1), repeat=len(place))
            near = {tuple(a + b for a, b in zip(place, step, strict=True)) for step in steps} & todo
            todo -= near
            border += near
        found.append(region)
    return found


def regions_above(values: dict[Place, float], threshold: float) -> list[list[Place]]:
    mask = np.zeros([1 + max(along) for along in zip(*values, strict=True)], dtype=bool)
    for place, value in values.items():
        mask[place] = value > threshold
    return regions(mask)


def largest(found: list[list[Place]]) -> list[Place]:
    """The first of the largest regions; none where there is none."""
    best: list[Place] = []
    for region in found:
        if len(region) > len(best):
            best = region
    return best


def box(region: list[Place]) -> tuple[float, ...]:
    along = list(zip(*region, strict=True))[::-1]
    return (*(min(some) for some in along), *(max(some) + 1 for some in along))


def cut(boxes: Tensor, *size: int) -> list[tuple[float, ...]]:
    """The part of each box in the view, where there is any."""
    parts = []
    for one in boxes.double().tolist():
        axes = len(size)
        begins = [max(begin, 0.0) for begin in one[:axes]]
        ends = [min(end, side) for end, side in zip(one[axes:], reversed(size), strict=True)]
        if all(begin < end for begin, end in zip(begins, ends, strict=True)):
            parts.append((*begins, *ends))
    return parts


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    axes = len(a) // 2
    both = math.prod(max(0.0, min(a[axes + k], b[axes + k]) - max(a[k], b[k])) for k in range(axes))
    own, theirs = (math.prod(one[axes + k] - one[k] for k in range(axes)) for one in (a, b))
    return both / (own + theirs - both)
