"""Shapley-CAM, slowly: the mean over places of g - 1/2 H A; and H A from the whole Hessian, entry
by entry.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def shapley_cam(
    second_order: Callable[[str], tuple[Tensor, Tensor]], utility: str = "rest"
) -> Tensor:
    gradient, bent = (one.double().numpy() for one in second_order(utility))
    images, channels, *space = gradient.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            total = 0.0
            for ij in np.ndindex(*space):
                total += gradient[b, k][ij] - bent[b, k][ij] / 2
            weights[b, k] = total / int(np.prod(space))
    return torch.from_numpy(weights)


def gradient_and_bend(
    utility: Callable[[Tensor], Tensor], activations: Tensor
) -> tuple[Tensor, Tensor]:
    """Of one image's activations `[1, c, *s]`: its gradient and sum_q H_pq A_q, from the full
    Hessian by autograd.
    """
    gradient = torch.autograd.functional.jacobian(utility, activations)
    hessian = torch.autograd.functional.hessian(utility, activations).reshape(
        activations.numel(), -1
    )
    bent = [
        sum(h * a for h, a in zip(row, activations.flatten().tolist(), strict=True))
        for row in hessian.tolist()
    ]
    return gradient, torch.tensor(bent, dtype=activations.dtype).reshape(activations.shape)


def rest(rows: Tensor, klass: int) -> Tensor:
    """The logit less the cross-entropy."""
    return rows[klass] - torch.nn.functional.cross_entropy(rows[None], torch.tensor([klass]))
