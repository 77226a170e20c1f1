"""ROAD's averages over the percentages, image by image: most relevant first, least relevant first,
both.
"""

import torch
from torch import Tensor


def road_morf_area(road_morf: Tensor) -> Tensor:
    return torch.tensor(
        [sum(curve) / len(curve) for curve in road_morf.tolist()], dtype=torch.float64
    )


def road_lerf_area(road_lerf: Tensor) -> Tensor:
    return road_morf_area(road_lerf)


def road(road_morf: Tensor, road_lerf: Tensor) -> Tensor:
    values = []
    for most, least in zip(road_morf.tolist(), road_lerf.tolist(), strict=True):
        values.append(sum((b - a) / 2 for a, b in zip(most, least, strict=True)) / len(most))
    return torch.tensor(values, dtype=torch.float64)
