"""Average Gain, image by image (Opti-CAM)."""

import math

import torch
from torch import Tensor


def average_gain(full_score: Tensor, masked_score: Tensor) -> Tensor:
    values = []
    for y, o in zip(full_score.tolist(), masked_score.tolist(), strict=True):
        values.append(math.nan if y >= 1 else max(0.0, o - y) / (1 - y))
    return torch.tensor(values, dtype=torch.float64)
