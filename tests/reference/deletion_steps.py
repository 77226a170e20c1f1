"""RISE's deletion game: every step made from the beginning, pixel by pixel."""

import numpy as np
from torch import Tensor


def deletion_steps(images: Tensor, substrate: Tensor, order: Tensor, n_steps: int) -> list[Tensor]:
    steps = []
    grid = images.shape[2:]
    for k in range(n_steps + 1):
        step = images.clone()
        count = int(k * order.shape[1] / n_steps + 0.5)
        for b in range(len(images)):
            for place in order[b, :count].tolist():
                where = np.unravel_index(place, grid)
                for c in range(images.shape[1]):
                    step[(b, c, *where)] = substrate[(b, c, *where)]
        steps.append(step)
    return steps
