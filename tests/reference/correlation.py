"""Pearson's and Spearman's correlation by their definitions, one pair of lists at a time.

nan where one is constant.
"""

import math

import torch
from torch import Tensor


def pearson(a: Tensor, b: Tensor) -> Tensor:
    pairs = zip(a.flatten(1).tolist(), b.flatten(1).tolist(), strict=True)
    return torch.tensor([pearson_of(x, y) for x, y in pairs], dtype=torch.float64)


def spearman(a: Tensor, b: Tensor) -> Tensor:
    pairs = zip(a.flatten(1).tolist(), b.flatten(1).tolist(), strict=True)
    return torch.tensor(
        [pearson_of(ranks_of(x), ranks_of(y)) for x, y in pairs], dtype=torch.float64
    )


def pearson_of(x: list[float], y: list[float]) -> float:
    if max(x) == min(x) or max(y) == min(y):
        return math.nan
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    covariance = math.fsum((p - mean_x) * (q - mean_y) for p, q in zip(x, y, strict=True))
    variances = math.fsum((p - mean_x) ** 2 for p in x) * math.fsum((q - mean_y) ** 2 for q in y)
    return covariance / math.sqrt(variances)


def ranks_of(x: list[float]) -> list[float]:
    """How many are smaller, and half of how many others are equal."""
    return [
        sum(other < one for other in x) + (sum(other == one for other in x) - 1) / 2 for one in x
    ]
