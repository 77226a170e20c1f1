"""The mean drop over the patches that hide a pixel, pixel by pixel."""

import numpy as np
import torch
from torch import Tensor


def occlusion_map(
    drops: list[Tensor], corners: list[tuple[int, int]], patch: int, grid: tuple[int, int]
) -> Tensor:
    found = torch.zeros(len(drops[0]), *grid, dtype=torch.float64)
    for b in range(len(drops[0])):
        for i, j in np.ndindex(*grid):
            over = [
                drop[b].item()
                for drop, (top, left) in zip(drops, corners, strict=True)
                if top <= i < top + patch and left <= j < left + patch
            ]
            found[b, i, j] = sum(over) / len(over)
    return found
