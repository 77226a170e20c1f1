"""Grad-CAM+, slowly: w_k = 1/Z sum_ij max(g_ij, 0)."""

import numpy as np
import torch
from torch import Tensor


def grad_cam_plus(gradients: Tensor) -> Tensor:
    g = gradients.double().numpy()
    images, channels, *space = g.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            z, total = 0, 0.0
            for ij in np.ndindex(*space):
                z += 1
                total += max(g[b, k][ij], 0.0)
            weights[b, k] = total / z
    return torch.from_numpy(weights)
