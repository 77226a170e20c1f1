"""Pixels in boxes, scaling, regions and overlaps, place by place: what the localisation metrics'
twins share.
"""

from torch import Tensor


def table(one: Tensor) -> list[list[float]]:
    return [[float(value) for value in row] for row in one.double()]


def scaled(one: Tensor) -> list[list[float]]:
    """(L - min) / (max - min); a constant map is zero."""
    rows = table(one)
    values = [value for row in rows for value in row]
    low, high = min(values), max(values)
    return [[(value - low) / (high - low) if high > low else 0.0 for value in row] for row in rows]


def inside(row: int, column: int, boxes: Tensor) -> bool:
    x, y = column + 0.5, row + 0.5
    return any(
        left <= x < right and top <= y < bottom
        for left, top, right, bottom in boxes.double().tolist()
    )


def area(height: int, width: int, boxes: Tensor) -> int:
    return sum(inside(r, c, boxes) for r in range(height) for c in range(width))


def regions(mask: list[list[bool]]) -> list[list[tuple[int, int]]]:
    """Eight neighbours, found by walking from each place that nobody has seen yet."""
    todo = {(r, c) for r, row in enumerate(mask) for c, on in enumerate(row) if on}
    found = []
    for start in sorted(todo):
        if start not in todo:
            continue
        todo.remove(start)
        region, border = [], [start]
        while border:
            r, c = border.pop()
            region.append((r, c))
            near = {(r + dr, c + dc) for dr in (-1, 0, 1) for dc in (-1, 0, 1)} & todo
            todo -= near
            border += near
        found.append(region)
    return found


def box(region: list[tuple[int, int]]) -> tuple[float, ...]:
    rows, columns = [r for r, _ in region], [c for _, c in region]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def cut(boxes: Tensor, height: int, width: int) -> list[tuple[float, ...]]:
    """The part of each box in the view, where there is any."""
    parts = [
        (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
        for left, top, right, bottom in boxes.double().tolist()
    ]
    return [part for part in parts if part[0] < part[2] and part[1] < part[3]]


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
