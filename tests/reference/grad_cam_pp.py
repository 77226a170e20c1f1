"""Grad-CAM++ for Y = exp(S), slowly and with the powers of eq.

19; the factor exp(S) is left out.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


def grad_cam_pp(activations: Tensor, gradients: Tensor, alpha: str = "paper") -> Tensor:
    a, g = activations.double().numpy(), gradients.double().numpy()
    images, channels, *space = g.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            activation_sum = 0.0
            for ab in np.ndindex(*space):
                activation_sum += a[b, k][ab]
            alphas = {ij: alpha_at(g[b, k][ij], activation_sum) for ij in np.ndindex(*space)}
            if alpha == "authors":
                alphas = dict(as_the_authors(alphas, g[b, k]))
            for ij in np.ndindex(*space):
                weights[b, k] += alphas[ij] * max(g[b, k][ij], 0.0)  # eq. 5
    return torch.from_numpy(weights)


def alpha_at(g: float, activation_sum: float) -> float:
    """Eq. 19 at one position. Policy of sightline: the denominator over g^2 is not let below 1."""
    if g <= 0:
        return 0.0  # multiplied by relu(g) = 0, whatever it is
    numerator = g**2
    denominator = 2 * g**2 + g**3 * activation_sum
    if denominator < numerator:
        return 1.0
    return numerator / denominator


def as_the_authors(
    alphas: dict[tuple[int, ...], float], first: np.ndarray
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Alpha over its sum where the first derivative is positive; a zero sum counts as 1."""
    total = sum(alphas[ij] for ij in alphas if first[ij] > 0)
    if total == 0:
        total = 1.0
    for ij, alpha in alphas.items():
        yield ij, alpha / total
