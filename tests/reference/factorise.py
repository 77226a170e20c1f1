"""Deep feature factorisation, slowly: what a best fit under W, H >= 0 has to satisfy, and its share
of the energy.
"""

import torch
from torch import Tensor


def rows(activations: Tensor) -> Tensor:
    """`[b, c, *s]` as a row for each place of each image, by hand."""
    b, c = activations.shape[:2]
    flat = activations.double().reshape(b, c, -1)
    return torch.stack([flat[i, :, p] for i in range(b) for p in range(flat.shape[2])])


def explained(a: Tensor, w: Tensor, h: Tensor) -> float:
    """1 - |A - WH|^2 / |A|^2, number by number."""
    lost = whole = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            made = sum(float(w[i, k] * h[k, j]) for k in range(len(h)))
            lost += (float(a[i, j]) - made) ** 2
            whole += float(a[i, j]) ** 2
    return 1 - lost / whole


def optimality(a: Tensor, w: Tensor, h: Tensor) -> float:
    """How far |A - WH|^2 / 2 is from the conditions of Karush, Kuhn and Tucker: the largest
    |min(number, gradient)|.

    At each number the gradient is zero where the number is positive, and not negative where it is
    zero.
    """
    error = w @ h - a
    by_w, by_h = error @ h.T, w.T @ error
    return max(float(torch.minimum(one, g).abs().max()) for one, g in ((w, by_w), (h, by_h)))
