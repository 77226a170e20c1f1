"""The pointing game as TorchRay plays it: draw the disc around the point, look whether it meets the
boxes.
"""

import torch
from torch import Tensor

from reference.areas import area, inside, table


def pointing_game(image_map: Tensor, boxes: list[Tensor], tolerance: float) -> Tensor:
    result = []
    for one, own in zip(image_map, boxes, strict=True):
        if not area(*one.shape, own):
            result.append(float("nan"))
            continue
        values = table(one)
        best, point = 0.0, None
        for place, value in values.items():
            if value > best:
                best, point = value, place
        hit = False
        if point is not None:
            for place in values:
                away = sum((a - b) ** 2 for a, b in zip(place, point, strict=True))
                accepted = away < tolerance**2 or place == point
                hit = hit or (accepted and inside(*place, own))
        result.append(float(hit))
    return torch.tensor(result, dtype=torch.float64)
