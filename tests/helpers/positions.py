"""Looking at a method one position at a time."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def place_by_place(weigh: Callable[[Tensor], Tensor], gradients: Tensor) -> Tensor:
    """Alpha itself: where only one position has a gradient, the weight is its alpha times that
    gradient.

    `weigh` takes gradients and leaves the activations, and so their sum, alone.
    """
    alphas = torch.zeros_like(gradients)
    for place in np.ndindex(*gradients.shape[2:]):
        here = (slice(None), slice(None), *place)
        alone = torch.zeros_like(gradients)
        alone[here] = gradients[here]
        alphas[here] = weigh(alone).reshape(gradients.shape[:2]) / gradients[here]
    return alphas


def column(values: Tensor, like: Tensor) -> Tensor:
    """`[b]` as `[b, 1, 1, ...]`."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
