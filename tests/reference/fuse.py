"""Fusion of maps, slowly: at each place the product, the mean or the maximum; then divided by the
largest of all.
"""

import numpy as np
import torch
from torch import Tensor


def fuse(maps: list[Tensor], how: str) -> Tensor:
    stack = [one.double().numpy() for one in maps]
    fused = np.zeros(stack[0].shape)
    for place in np.ndindex(*fused.shape):
        values = [one[place] for one in stack]
        total = 1.0 if how == "product" else 0.0
        for value in values:
            total = (
                total * value
                if how == "product"
                else max(total, value)
                if how == "max"
                else total + value
            )
        fused[place] = total / len(values) if how == "mean" else total
    for image in range(len(fused)):
        if fused[image].max() > 0:
            fused[image] /= fused[image].max()
    return torch.from_numpy(fused)
