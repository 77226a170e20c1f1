"""KPCA-CAM, slowly: the kernel pair by pair, centred as Schoelkopf et al. 1998 do, its eigenvectors
by numpy.
"""

import math

import numpy as np
import torch
from torch import Tensor

from reference.eigen_cam import points_up


def kpca_cam(activations: Tensor, kernel: str = "sigmoid", gamma: float | None = None) -> Tensor:
    """The component, shared among the channels in the proportion of their squares there."""
    a = activations.double().numpy()
    weights = np.zeros(a.shape)
    for b in range(a.shape[0]):
        places = list(np.ndindex(*a.shape[2:]))
        rows = [np.array([a[b, k][ij] for k in range(a.shape[1])]) for ij in places]
        for ij, component, row in zip(
            places, first_component(rows, kernel, gamma), rows, strict=True
        ):
            energy = sum(x * x for x in row)
            for k in range(a.shape[1]):
                weights[b, k][ij] = component * row[k] / energy if energy else 0.0
    return torch.from_numpy(weights)


def first_component(rows: list[np.ndarray], kernel: str, gamma: float | None) -> np.ndarray:
    n, mean = len(rows), sum(rows) / len(rows)
    gamma = 1 / len(mean) if gamma is None else gamma
    similar = np.zeros((n, n))
    for p in range(n):
        for q in range(n):
            x, y = rows[p] - mean, rows[q] - mean
            if kernel == "rbf":
                similar[p, q] = math.exp(
                    -gamma * sum((s - t) ** 2 for s, t in zip(x, y, strict=True))
                )
            else:
                similar[p, q] = math.tanh(gamma * sum(s * t for s, t in zip(x, y, strict=True)) + 1)
    centring = np.eye(n) - np.ones((n, n)) / n
    values, vectors = np.linalg.eigh(centring @ similar @ centring)
    value, vector = values[-1], vectors[:, -1]
    if value <= 1e-12 * n:  # all places alike, or a sigmoid kernel that has no positive direction
        return np.zeros(n)
    return math.sqrt(value) * (vector if points_up(vector) else -vector)
