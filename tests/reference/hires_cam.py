"""HiResCAM, slowly: w^k_ij = g^k_ij."""

import numpy as np
import torch
from torch import Tensor


def hires_cam(gradients: Tensor) -> Tensor:
    g = gradients.double().numpy()
    weights = np.zeros(g.shape)
    for place in np.ndindex(*g.shape):
        weights[place] = g[place]
    return torch.from_numpy(weights)
