"""Layer-CAM, slowly: w^k_ij = max(g^k_ij, 0)."""

import numpy as np
import torch
from torch import Tensor


def layer_cam(gradients: Tensor) -> Tensor:
    g = gradients.double().numpy()
    weights = np.zeros(g.shape)
    for place in np.ndindex(*g.shape):
        weights[place] = max(g[place], 0.0)
    return torch.from_numpy(weights)
