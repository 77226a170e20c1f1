"""Grad-CAM++ with the true alpha, slowly: eq. 5 and 10, exp's derivatives 13 and 14 with nothing
left out.
"""

import math

import numpy as np
import torch
from torch import Tensor


def grad_cam_pp_exact(
    activations: Tensor,
    gradients: Tensor,
    second_derivatives: Tensor,
    third_derivatives: Tensor,
    guard: bool = True,
) -> Tensor:
    """Without the factor exp(S).

    Policy of sightline: where alpha is not in (0, 1), the closed form, not above 1.
    """
    a, s1, s2, s3 = (
        one.double().numpy()
        for one in (activations, gradients, second_derivatives, third_derivatives)
    )
    images, channels, *space = a.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            activation_sum = 0.0
            for ab in np.ndindex(*space):
                activation_sum += a[b, k][ab]
            for ij in np.ndindex(*space):
                g = s1[b, k][ij]
                second = g**2 + s2[b, k][ij]
                third = g**3 + 3 * g * s2[b, k][ij] + s3[b, k][ij]
                denominator = 2 * second + activation_sum * third  # eq. 10
                alpha = second / denominator if denominator else math.nan
                if guard and not 0 < alpha < 1:
                    closed = 2 + g * activation_sum  # eq. 19
                    alpha = 1 / closed if closed > 1 else 1.0
                if g > 0:
                    weights[b, k] += alpha * g  # eq. 5
    return torch.from_numpy(weights)
