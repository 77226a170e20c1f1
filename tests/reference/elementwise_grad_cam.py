"""Element-wise Grad-CAM, slowly: g where g A > 0, so that the map is sum_k max(g A, 0)."""

import numpy as np
import torch
from torch import Tensor


def elementwise_grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    a, g = activations.double().numpy(), gradients.double().numpy()
    weights = np.zeros(g.shape)
    for place in np.ndindex(*g.shape):
        if g[place] * a[place] > 0:
            weights[place] = g[place]
    return torch.from_numpy(weights)
