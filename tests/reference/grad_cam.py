"""Grad-CAM, slowly (Grad-CAM++ eq. 3): w_k = 1/Z sum_ij g_ij."""

import numpy as np
import torch
from torch import Tensor


def grad_cam(gradients: Tensor) -> Tensor:
    g = gradients.double().numpy()
    images, channels, *space = g.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            z, total = 0, 0.0
            for ij in np.ndindex(*space):
                z += 1
                total += g[b, k][ij]
            weights[b, k] = total / z
    return torch.from_numpy(weights)
