"""Score-CAM's energy pointing game, pixel by pixel."""

import torch
from torch import Tensor

from reference.areas import area, inside, table


def energy_pointing_game(image_map: Tensor, boxes: list[Tensor]) -> Tensor:
    result = []
    for one, own in zip(image_map, boxes, strict=True):
        within = total = 0.0
        for place, value in table(one).items():
            total += value
            within += value * inside(*place, own)
        result.append(within / total if total and area(*one.shape, own) else float("nan"))
    return torch.tensor(result, dtype=torch.float64)
