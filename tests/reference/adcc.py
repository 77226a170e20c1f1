"""ADCC and its three terms (Poppi et al. 2021), image by image, and the figure of a data set."""

import math

import torch
from torch import Tensor

from reference.average_drop import average_drop
from reference.correlation import pearson_of


def coherency(image_map: Tensor, masked_map: Tensor) -> Tensor:
    values = []
    for one, other in zip(
        image_map.flatten(1).tolist(), masked_map.flatten(1).tolist(), strict=True
    ):
        r = pearson_of(one, other)
        values.append(0.0 if math.isnan(r) else (r + 1) / 2)
    return torch.tensor(values, dtype=torch.float64)


def complexity(image_map: Tensor) -> Tensor:
    rows = image_map.flatten(1).tolist()
    return torch.tensor(
        [math.fsum(abs(x) for x in row) / len(row) for row in rows], dtype=torch.float64
    )


def adcc(full_score: Tensor, masked_score: Tensor, image_map: Tensor, masked_map: Tensor) -> Tensor:
    terms = (
        average_drop(full_score, masked_score),
        coherency(image_map, masked_map),
        complexity(image_map),
    )
    return torch.stack(terms, dim=1)


def of_means(rows: list[list[float]]) -> float:
    kept = [row for row in rows if not any(math.isnan(x) for x in row)]
    return harmonic(*(sum(row[k] for row in kept) / len(kept) for k in range(3)))


def mean_of_images(rows: list[list[float]]) -> float:
    kept = [harmonic(*row) for row in rows if not any(math.isnan(x) for x in row)]
    return sum(kept) / len(kept)


def harmonic(drop: float, coherent: float, complicated: float) -> float:
    if coherent == 0 or complicated == 1 or drop == 1:
        return 0.0
    return 3 / (1 / coherent + 1 / (1 - complicated) + 1 / (1 - drop))
