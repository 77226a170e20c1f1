"""Grad-CAM's pointing game with rejection, case by case."""

import torch
from torch import Tensor

from reference.areas import area
from reference.pointing_game import pointing_game


def pointing_game_top5(
    top_maps: Tensor,
    top_peaks: Tensor,
    top_boxes: list[list[Tensor] | None],
    reject_below: float,
    tolerance: float,
) -> Tensor:
    result = torch.zeros(top_peaks.shape, dtype=torch.float64)
    for i, boxes in enumerate(top_boxes):
        for j in range(top_peaks.shape[1]):
            rejected = float(top_peaks[i, j]) <= reject_below
            if boxes is None:
                result[i, j] = float("nan")
            elif len(boxes[j]) == 0:
                result[i, j] = 1.0 if rejected else 0.0
            elif not area(*top_maps.shape[2:], boxes[j]):
                result[i, j] = float("nan")
            elif rejected:
                result[i, j] = 0.0
            else:
                result[i, j] = float(pointing_game(top_maps[i, j][None], [boxes[j]], tolerance))
    return result
