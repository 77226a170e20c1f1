"""Occlusion, slowly: every window by itself, then for every pixel the windows over it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def occlusion(
    score: Callable[[Tensor], float], picture: Tensor, fill: Tensor, window: int, stride: int
) -> Tensor:
    """`picture` and what takes its place `[c, *s]`, `score` of one picture. Returns `[*s]`."""
    size = tuple(picture.shape[1:])
    starts = []
    for side in size:
        last = max(side - window, 0)
        own = [start for start in range(0, side, stride) if start < last]
        starts.append([*own, last])
    whole = score(picture)
    drops = []
    for corner in np.ndindex(*map(len, starts)):
        begin = [starts[axis][i] for axis, i in enumerate(corner)]
        covered = picture.clone()
        for place in np.ndindex(*size):
            if all(b <= p < b + window for p, b in zip(place, begin, strict=True)):
                covered[:, *place] = fill[:, *place]
        drops.append((begin, whole - score(covered)))
    found = torch.zeros(*size, dtype=torch.float64)
    for place in np.ndindex(*size):
        over = [
            d
            for begin, d in drops
            if all(b <= p < b + window for p, b in zip(place, begin, strict=True))
        ]
        found[place] = sum(over) / len(over)
    return found
