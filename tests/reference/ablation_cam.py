"""Ablation-CAM, slowly: the paper's w_k = (y - y_k) / y, times the y; y_k is the score without
channel k.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def ablation_cam(activations: Tensor, rescore: Callable[[Tensor], Tensor]) -> Tensor:
    images, channels, *space = activations.shape
    weights = torch.zeros(images, channels, *[1] * len(space), dtype=torch.float64)
    whole = rescore(torch.ones(1, images, channels, *space, dtype=activations.dtype))
    for k in range(channels):
        share = torch.ones(1, images, channels, *space, dtype=activations.dtype)
        share[:, :, k] = 0
        without = rescore(share)
        for b in range(images):
            y, y_k = float(whole[0, b]), float(without[0, b])
            weights[b, k] = y - y_k
    return weights
