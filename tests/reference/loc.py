"""Loc(delta), pixel by pixel: eq. 26 of Grad-CAM++ v3."""

import torch
from torch import Tensor

from reference.areas import area, inside, scaled


def loc(image_map: Tensor, boxes: list[Tensor], deltas: tuple[float, ...]) -> Tensor:
    rows = []
    for one, own in zip(image_map, boxes, strict=True):
        values, whole = scaled(one), area(*one.shape, own)
        row = []
        for delta in deltas:
            internal = external = 0
            for place, value in values.items():
                if value > delta:
                    internal += inside(*place, own)
                    external += not inside(*place, own)
            row.append(internal / (whole + external) if whole else float("nan"))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)
