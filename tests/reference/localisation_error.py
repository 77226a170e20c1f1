"""ILSVRC's localisation error with Grad-CAM's boxes, step by step."""

import torch
from torch import Tensor

from reference.areas import box, cut, iou, largest, regions_above, table


def localisation_error(
    given_map: Tensor, given_boxes: list[Tensor], rank: Tensor, box_threshold: float
) -> Tensor:
    rows = []
    for one, own, place in zip(given_map, given_boxes, rank.tolist(), strict=True):
        true = cut(own, *one.shape)
        if not true:
            rows.append([float("nan")] * 3)
            continue
        values = table(one)
        peak = max(values.values())
        region = largest(regions_above(values, box_threshold * peak))
        right = bool(region) and any(iou(box(region), b) >= 0.5 for b in true)
        top1, top5 = (
            float(not (right and place < k)) if place >= 0 else float("nan") for k in (1, 5)
        )
        rows.append([top1, top5, float(not right)])
    return torch.tensor(rows, dtype=torch.float64)
