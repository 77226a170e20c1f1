"""Relative change of a map under noise, copy by copy and pixel by pixel."""

import math

import torch
from torch import Tensor


def sensitivity(image_map: Tensor, noisy_maps: Tensor) -> Tensor:
    rows = []
    for here, copies in zip(image_map, noisy_maps, strict=True):
        length = math.sqrt(math.fsum(x**2 for x in here.flatten().tolist()))
        row = []
        for there in copies:
            apart = (there - here).double().flatten().tolist()
            row.append(math.sqrt(math.fsum(x**2 for x in apart)) / length if length else math.nan)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)
