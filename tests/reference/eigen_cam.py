"""Eigen-CAM and Eigen-Grad-CAM, slowly: an image's matrix, places x channels, and its singular
vectors by numpy.
"""

import numpy as np
import torch
from torch import Tensor


def eigen_cam(activations: Tensor, centred: bool = False) -> Tensor:
    """v_1 of A = U S V^T, [b, c, 1, ...]."""
    a = activations.double().numpy()
    weights = np.zeros((*a.shape[:2], *[1] * (a.ndim - 2)))
    for b in range(a.shape[0]):
        weights[b] = first_axis(matrix(a[b]), centred).reshape(-1, *[1] * (a.ndim - 2))
    return torch.from_numpy(weights)


def eigen_grad_cam(activations: Tensor, gradients: Tensor, centred: bool = False) -> Tensor:
    """g times v_1 of the matrix of g x A, [b, c, *s]."""
    a, g = activations.double().numpy(), gradients.double().numpy()
    weights = np.zeros(a.shape)
    for b in range(a.shape[0]):
        axis = first_axis(matrix(g[b] * a[b]), centred)
        for k in range(a.shape[1]):
            for ij in np.ndindex(*a.shape[2:]):
                weights[b, k][ij] = g[b, k][ij] * axis[k]
    return torch.from_numpy(weights)


def matrix(maps: np.ndarray) -> np.ndarray:
    """Maps [c, *s] as rows of places."""
    rows = [[one[ij] for one in maps] for ij in np.ndindex(*maps.shape[1:])]
    return np.array(rows)


def first_axis(rows: np.ndarray, centred: bool) -> np.ndarray:
    """Turned so that the projection's element of largest magnitude is positive; 0 for a matrix of
    zeros.
    """
    if centred:
        rows = rows - rows.mean(axis=0)
    if not np.abs(rows).max() > 1e-300:
        return np.zeros(rows.shape[1])
    _, _, vt = np.linalg.svd(rows, full_matrices=True)
    axis = vt[0] * rows.any(axis=0)  # a column of zeros has no part; rounding gave it 1e-16
    return axis if points_up(rows @ axis) else -axis


def points_up(values: np.ndarray) -> bool:
    """Whether the value of largest magnitude is positive; of several, up to rounding, the first."""
    sizes = np.abs(values)
    for value, size in zip(values, sizes, strict=True):
        if size >= (1 - 1e-9) * sizes.max():
            return value > 0
    raise ValueError("no values")
