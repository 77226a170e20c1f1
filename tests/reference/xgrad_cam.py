"""XGrad-CAM, slowly: w_k = sum_ij (A_ij / sum_ab A_ab) g_ij, and 0 where the sum is 0."""

import numpy as np
import torch
from torch import Tensor


def xgrad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    a, g = activations.double().numpy(), gradients.double().numpy()
    images, channels, *space = g.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            activation_sum = 0.0
            for ab in np.ndindex(*space):
                activation_sum += a[b, k][ab]
            if activation_sum == 0:
                continue
            for ij in np.ndindex(*space):
                weights[b, k] += a[b, k][ij] / activation_sum * g[b, k][ij]
    return torch.from_numpy(weights)
