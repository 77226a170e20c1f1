"""RISE's blur, place by place, with a kernel made as its evaluation.py makes it: scipy's filter on
a single point, in as many dimensions as the images have.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor


def blur(images: Tensor, size: int, sigma: float, edge: str = "replicate") -> Tensor:
    sides = tuple(images.shape[2:])
    point = np.zeros((size,) * len(sides))
    point[(size // 2,) * len(sides)] = 1
    kernel = gaussian_filter(point, sigma)
    blurred = torch.zeros_like(images)
    for b, c, *place in np.ndindex(*images.shape):
        total = 0.0
        for away in np.ndindex(*kernel.shape):
            there = [i + u - size // 2 for i, u in zip(place, away, strict=True)]
            nearest = [min(max(i, 0), side - 1) for i, side in zip(there, sides, strict=True)]
            if there == nearest or edge == "replicate":
                total += kernel[away] * images[(b, c, *nearest)].item()
        blurred[(b, c, *place)] = total
    return blurred
