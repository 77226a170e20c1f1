"""Mean inside over mean outside, pixel by pixel."""

import torch
from torch import Tensor

from reference.areas import inside, table


def inside_outside_ratio(image_map: Tensor, boxes: list[Tensor]) -> Tensor:
    result = []
    for one, own in zip(image_map, boxes, strict=True):
        within, without = [], []
        for place, value in table(one).items():
            (within if inside(*place, own) else without).append(value)
        if not within or not without or sum(within) + sum(without) == 0:
            result.append(float("nan"))
        elif sum(without) == 0:
            result.append(float("inf"))
        else:
            result.append((sum(within) / len(within)) / (sum(without) / len(without)))
    return torch.tensor(result, dtype=torch.float64)
