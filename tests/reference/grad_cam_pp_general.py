"""Grad-CAM++ for any score Y, slowly: eq. 5 with the alpha of eq. 10, from Y', Y'' and Y''' at each
place.
"""

import math

import numpy as np
import torch
from torch import Tensor

from reference import derivatives
from reference.grad_cam_pp import as_the_authors


def grad_cam_pp_softmax(
    activations: Tensor,
    class_gradients: Tensor,
    probabilities: Tensor,
    explained: Tensor,
    alpha: str = "paper",
    guard: bool = True,
) -> Tensor:
    """The paper's weights; sightline's are these divided by Y (1 - Y)."""
    return _of_classes(
        derivatives.softmax, activations, class_gradients, probabilities, explained, alpha, guard
    )


def grad_cam_pp_log_softmax(
    activations: Tensor,
    class_gradients: Tensor,
    probabilities: Tensor,
    explained: Tensor,
    alpha: str = "paper",
    guard: bool = True,
) -> Tensor:
    return _of_classes(
        derivatives.log_softmax,
        activations,
        class_gradients,
        probabilities,
        explained,
        alpha,
        guard,
    )


def grad_cam_pp_sigmoid(
    activations: Tensor, gradients: Tensor, scores: Tensor, alpha: str = "paper", guard: bool = True
) -> Tensor:
    """The weights for Y = sigmoid(S); sightline's are these divided by Y (1 - Y)."""
    three = np.zeros((3, *activations.shape))
    for place in np.ndindex(*activations.shape):
        y = 1 / (1 + math.exp(-float(scores[place[0]])))
        three[:, *place] = derivatives.sigmoid(float(gradients[place]), y)
    return weights_from(activations, three, alpha, guard)


def _of_classes(form, activations, class_gradients, probabilities, explained, alpha, guard):
    s = class_gradients.double().expand(-1, *activations.shape).numpy()
    three = np.zeros((3, *activations.shape))
    for place in np.ndindex(*activations.shape):
        b = place[0]
        p = [float(value) for value in probabilities[b].double()]
        three[:, *place] = form([float(value) for value in s[:, *place]], p, int(explained[b]))
    return weights_from(activations, three, alpha, guard)


def weights_from(activations: Tensor, three: np.ndarray, alpha: str, guard: bool) -> Tensor:
    """`three` holds the three derivatives.

    Policy of sightline: 1/2 where alpha is not in (0, 1).
    """
    a = activations.double().numpy()
    images, channels, *space = a.shape
    weights = np.zeros((images, channels, *[1] * len(space)))
    for b in range(images):
        for k in range(channels):
            activation_sum = 0.0
            for ab in np.ndindex(*space):
                activation_sum += a[b, k][ab]
            first, second, third = three[:, b, k]
            alphas = {}
            for ij in np.ndindex(*space):
                denominator = 2 * second[ij] + activation_sum * third[ij]  # eq. 10
                alphas[ij] = second[ij] / denominator if denominator else math.nan
                if guard and not 0 < alphas[ij] < 1:
                    alphas[ij] = 0.5
            if alpha == "authors":
                alphas = dict(as_the_authors(alphas, first))
            for ij in np.ndindex(*space):
                if first[ij] > 0:
                    weights[b, k] += alphas[ij] * first[ij]  # eq. 5
    return torch.from_numpy(weights)
