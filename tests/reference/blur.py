"""RISE's blur, pixel by pixel, with a kernel made as its evaluation.py makes it: scipy's filter on
a single point.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor


def blur(images: Tensor, size: int, sigma: float, edge: str = "replicate") -> Tensor:
    point = np.zeros((size, size))
    point[size // 2, size // 2] = 1
    kernel = gaussian_filter(point, sigma)
    blurred = torch.zeros_like(images)
    height, width = images.shape[2:]
    for b, c, i, j in np.ndindex(*images.shape):
        total = 0.0
        for u, v in np.ndindex(size, size):
            y, x = i + u - size // 2, j + v - size // 2
            if 0 <= y < height and 0 <= x < width:
                total += kernel[u, v] * images[b, c, y, x].item()
            elif edge == "replicate":
                y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                total += kernel[u, v] * images[b, c, y, x].item()
        blurred[b, c, i, j] = total
    return blurred
