"""Coverage, pixel by pixel."""

import torch
from torch import Tensor

from reference.areas import inside, scaled


def coverage(image_map: Tensor, boxes: list[Tensor], deltas: tuple[float, ...]) -> Tensor:
    rows = []
    for one, own in zip(image_map, boxes, strict=True):
        values = scaled(one)
        within = [v for place, v in values.items() if inside(*place, own)]
        rows.append(
            [sum(v > d for v in within) / len(within) if within else float("nan") for d in deltas]
        )
    return torch.tensor(rows, dtype=torch.float64)
