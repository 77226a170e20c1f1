"""Eq. 2, slowly: L_ij = sum_k w_k A^k_ij, signed."""

import numpy as np
import torch
from torch import Tensor


def combine(weights: Tensor, activations: Tensor) -> Tensor:
    a = activations.double().numpy()
    w = np.broadcast_to(weights.double().numpy(), a.shape)
    images, channels, *space = a.shape
    maps = np.zeros((images, *space))
    for b in range(images):
        for ij in np.ndindex(*space):
            for k in range(channels):
                maps[b][ij] += w[b, k][ij] * a[b, k][ij]
    return torch.from_numpy(maps)
