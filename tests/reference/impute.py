"""ROAD's linear imputation as one dense system: a known pixel is itself, a removed one its
neighbours' mean.
"""

import numpy as np
import torch
from torch import Tensor

WEIGHTS = {
    (-1, -1): 1 / 12, (-1, 0): 1 / 6, (-1, 1): 1 / 12,
    (0, -1): 1 / 6, (0, 1): 1 / 6,
    (1, -1): 1 / 12, (1, 0): 1 / 6, (1, 1): 1 / 12,
}  # fmt: skip


def impute(images: Tensor, removed: Tensor) -> Tensor:
    height, width = images.shape[2:]
    filled = torch.zeros_like(images)
    for b in range(len(images)):
        system = np.zeros((height * width, height * width))
        for i, j in np.ndindex(height, width):
            here = i * width + j
            system[here, here] = 1
            if removed[b, i, j]:
                inside = {
                    (i + di, j + dj): weight
                    for (di, dj), weight in WEIGHTS.items()
                    if 0 <= i + di < height and 0 <= j + dj < width
                }
                for (y, x), weight in inside.items():
                    system[here, y * width + x] = -weight / sum(inside.values())
        for c in range(images.shape[1]):
            known = torch.where(removed[b], 0, images[b, c]).double().numpy().ravel()
            filled[b, c] = torch.from_numpy(np.linalg.solve(system, known)).view(height, width)
    return filled
