"""Smooth Grad-CAM++, slowly: means of powers place by place; the noise is drawn as the library says
it does.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor


def smooth_grad_cam_pp(
    activations: Tensor,
    noisy_gradients: Callable[..., Iterable[Tensor]],
    samples: int = 10,
    std: float = 0.1,
    seed: int = 0,
    form: str = "meant",
) -> Tensor:
    a = activations.double().numpy()
    g = [one.double().numpy() for one in noisy_gradients(samples=samples, std=std, seed=seed)]
    images, channels, *space = a.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b, k in np.ndindex(images, channels):
        activation_sum = 0.0
        for ab in np.ndindex(*space):
            activation_sum += a[b, k][ab]
        for ij in np.ndindex(*space):
            d = [sum(one[b, k][ij] ** n for one in g) / len(g) for n in (1, 2, 3)]
            weights[b, k] += alpha(d, activation_sum, form) * max(d[0], 0.0)
    return torch.from_numpy(weights)


def alpha(d: list[float], activation_sum: float, form: str) -> float:
    """D2 (as printed: D1) over 2 D2 + SA D3. Policy of sightline: this is not let below D2."""
    if d[0] <= 0:
        return 0.0  # multiplied by relu(D1) = 0, whatever it is
    below = 2 * d[1] + activation_sum * d[2]
    if below < d[1]:
        below = d[1]
    return (d[0] if form == "paper" else d[1]) / below


def noisy_pictures(x: Tensor, samples: int, std: float, seed: int = 0) -> list[Tensor]:
    """`[b, c, *s]`, one after another: x + std (max x - min x) eps."""
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(samples):
        eps = torch.randn(x.shape[1:], generator=generator, dtype=torch.float64)
        found.append(
            torch.stack([one + std * float(one.max() - one.min()) * eps for one in x.double()])
        )
    return found
