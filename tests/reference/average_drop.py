"""Average Drop of each image, one after the other (Grad-CAM++ v3, section 4.1)."""

import math

import torch
from torch import Tensor


def average_drop(full_score: Tensor, masked_score: Tensor, drop: str = "relative") -> Tensor:
    values = []
    for y, o in zip(full_score.tolist(), masked_score.tolist(), strict=True):
        lost = max(0.0, y - o)
        if drop == "absolute":
            values.append(lost)
        else:
            values.append(math.nan if y == 0 else lost / y)
    return torch.tensor(values, dtype=torch.float64)
