"""The pointing game as TorchRay plays it: draw the disc around the point, look whether it meets the
boxes.
"""

import torch
from torch import Tensor

from reference.areas import area, inside, table


def pointing_game(image_map: Tensor, boxes: list[Tensor], tolerance: float) -> Tensor:
    result = []
    for one, own in zip(image_map, boxes, strict=True):
        height, width = one.shape
        if not area(height, width, own):
            result.append(float("nan"))
            continue
        values = table(one)
        best, point = 0.0, None
        for r in range(height):
            for c in range(width):
                if values[r][c] > best:
                    best, point = values[r][c], (r, c)
        hit = False
        if point is not None:
            for r in range(height):
                for c in range(width):
                    accepted = (r - point[0]) ** 2 + (c - point[1]) ** 2 < tolerance**2 or (
                        r,
                        c,
                    ) == point
                    hit = hit or (accepted and inside(r, c, own))
        result.append(float(hit))
    return torch.tensor(result, dtype=torch.float64)
