"""The picture of a map, slowly: positive part (eq. 20), enlarged by pixel, over its maximum."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor


def image_map(coarse: Tensor, size: list[int]) -> Tensor:
    """Only for sizes that are nowhere smaller than the grid."""
    maps = np.maximum(coarse.double().numpy(), 0)
    out = np.zeros((len(maps), *size))
    for b, grid in enumerate(maps):
        for place in np.ndindex(*size):
            out[b][place] = linear(grid, place, size)
        if out[b].max() > 0:
            out[b] /= out[b].max()
    return torch.from_numpy(out)


def linear(grid: np.ndarray, place: tuple[int, ...], size: list[int]) -> float:
    """The value between the grid's cell centres; beyond the outermost centres it stays as it is."""
    corners = []
    for position, new, old in zip(place, size, grid.shape, strict=True):
        x = (position + 0.5) * old / new - 0.5
        x = min(max(x, 0.0), old - 1.0)
        low = min(math.floor(x), old - 1)
        high = min(low + 1, old - 1)
        corners.append([(low, 1 - (x - low)), (high, x - low)])
    total = 0.0
    for corner in itertools.product(*corners):
        value = grid[tuple(index for index, _ in corner)]
        for _, share in corner:
            value = value * share
        total += float(value)
    return total
