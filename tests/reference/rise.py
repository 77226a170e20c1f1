"""RISE, slowly: masks pixel by pixel (section 3.2), then equation 6 as a sum; and what it expects
of a linear model.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from reference.image_map import linear


def drawn(
    m: int, cells: int, keep: float, size: list[int], seed: int
) -> list[tuple[np.ndarray, list[int]]]:
    """The coarse binary grids and their shifts, in the order in which they are drawn."""
    generator = torch.Generator().manual_seed(seed)
    grid = [min(cells, side) for side in size]
    found = []
    for _ in range(m):
        shows = torch.rand(*grid, generator=generator) < keep
        steps = [cell(side, n) for side, n in zip(size, grid, strict=True)]
        shifts = [int(torch.randint(step + 1, (), generator=generator)) for step in steps]
        found.append((shows.double().numpy(), shifts))
    return found


def cell(side: int, cells: int) -> int:
    whole, rest = divmod(side, cells)
    return whole + (1 if rest else 0)


def mask(shows: np.ndarray, shifts: list[int], size: list[int]) -> Tensor:
    """Enlarged to (h + 1) C_H x (w + 1) C_W, then cropped."""
    large = [(n + 1) * cell(side, n) for side, n in zip(size, shows.shape, strict=True)]
    found = torch.zeros(*size, dtype=torch.float64)
    for place in np.ndindex(*size):
        found[place] = linear(
            shows, tuple(p + s for p, s in zip(place, shifts, strict=True)), large
        )
    return found


def rise(
    score: Callable[[Tensor], float],
    picture: Tensor,
    masks: list[Tensor],
    keep: float,
    centred: bool,
) -> Tensor:
    """Equation 6, with or without the mean score taken from each."""
    scores = [score(picture * one) for one in masks]
    mean = sum(scores) / len(scores) if centred else 0.0
    found = torch.zeros(picture.shape[1:], dtype=torch.float64)
    for place in np.ndindex(*found.shape):
        total = 0.0
        for f, one in zip(scores, masks, strict=True):
            total += (f - mean) * float(one[place])
        found[place] = total / (keep * len(masks))
    return found


def expected(contributions: Tensor, cells: int, keep: float) -> Tensor:
    """E[S_p] (centred) of a linear model on a signal: sum_q w_q x_q Cov(M_q, M_p) / keep.

    A mask is linear in its grid's independent bits, M_p = sum_g a_pg z_g; a bit has the variance
    keep (1 - keep), and the shift is averaged over. The mean of M_p is keep whatever the shift, so
    that adds nothing.
    """
    (side,) = contributions.shape
    step = cell(side, cells)
    covariance = torch.zeros(side, side, dtype=torch.float64)
    for shift in range(step + 1):
        shares = [mask(np.eye(cells)[g], [shift], [side]) for g in range(cells)]
        for q in range(side):
            for p in range(side):
                covariance[q, p] += (
                    sum(float(a[q] * a[p]) for a in shares) * keep * (1 - keep) / (step + 1)
                )
    found = torch.zeros(side, dtype=torch.float64)
    for p in range(side):
        found[p] = sum(float(contributions[q] * covariance[q, p]) for q in range(side)) / keep
    return found
