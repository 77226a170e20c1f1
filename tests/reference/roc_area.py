"""The area under the occlusion curve: drawn finely and summed up in small strips."""

import math

import torch
from torch import Tensor

STRIPS = 200_000


def roc_area(
    full_score: Tensor, curve: Tensor, fraction: Tensor, thetas: int, jumps: str = "late"
) -> Tensor:
    values = []
    for y, heights, places in zip(
        full_score.tolist(), curve.tolist(), fraction.tolist(), strict=True
    ):
        if y == 0 or places[0] == places[-1]:
            values.append(math.nan)
            continue
        step = 1 / (thetas - 1)
        area = 0.0
        for i in range(1, len(places)):
            width = places[i] - places[i - 1]
            slope = width if jumps == "line" else min(width, step)
            strips = max(1, round(STRIPS * width))
            for k in range(strips):
                along = (k + 0.5) / strips * width
                down = min(1.0, along / slope) if slope else 1.0
                height = heights[i - 1] + (heights[i] - heights[i - 1]) * down
                area += height / y * width / strips
        values.append(area)
    return torch.tensor(values, dtype=torch.float64)
