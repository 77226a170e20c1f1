"""LIME-style, slowly: one sample at a time, the kernel as printed, the normal equations of the
weighted ridge.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def lime(
    score: Callable[[Tensor], float],
    picture: Tensor,
    fill: Tensor,
    segments: Tensor,
    z: Tensor,
    kernel: float,
    ridge: float,
) -> tuple[Tensor, float]:
    """`picture` `[c, *s]`, `segments` `[*s]`, the samples `z` `[n, k]`.

    Returns the map `[*s]` and R^2.
    """
    n, k = z.shape
    scores, near = [], []
    for i in range(n):
        shown = picture.clone()
        for place in np.ndindex(*segments.shape):
            if not z[i, int(segments[place])]:
                shown[:, *place] = fill[:, *place]
        scores.append(score(shown))
        near.append(math.exp(-(cosine_distance(z[i]) ** 2) / kernel**2))
    normal, right = np.zeros((k + 1, k + 1)), np.zeros(k + 1)
    for i in range(n):
        row = np.array([1.0, *z[i].tolist()])
        normal += near[i] * np.outer(row, row)
        right += near[i] * scores[i] * row
    for j in range(1, k + 1):  # not the intercept
        normal[j, j] += ridge
    found = np.linalg.solve(normal, right)
    mean = sum(p * f for p, f in zip(near, scores, strict=True)) / sum(near)
    lost = sum(
        p * (f - found @ np.array([1.0, *row.tolist()])) ** 2
        for p, f, row in zip(near, scores, z, strict=True)
    )
    spread = sum(p * (f - mean) ** 2 for p, f in zip(near, scores, strict=True))
    worth = torch.zeros(*segments.shape, dtype=torch.float64)
    for place in np.ndindex(*segments.shape):
        worth[place] = found[1 + int(segments[place])]
    return worth, 1 - lost / spread


def cosine_distance(z: Tensor) -> float:
    """1 - cos(z, 1); 1 where there is no angle."""
    length = math.sqrt(sum(float(v) ** 2 for v in z))
    if length == 0:
        return 1.0
    return 1 - sum(float(v) for v in z) / (length * math.sqrt(len(z)))
