"""MaxBoxAcc, threshold by threshold, and its figures, image by image."""

import torch
from torch import Tensor

from reference.areas import box, cut, iou, largest, regions_above, scaled


def max_box_acc(image_map: Tensor, boxes: list[Tensor]) -> Tensor:
    rows = []
    for one, own in zip(image_map, boxes, strict=True):
        true = cut(own, *one.shape)
        values = scaled(one)
        largest_fits, best_fits = [], []
        for k in range(100):
            found = regions_above(values, k / 100)
            first = largest(found)
            fits = (
                [max(iou(box(region), b) for b in true) for region in found]
                if true
                else [float("nan")]
            )
            nothing = 0.0 if true else float("nan")
            largest_fits.append(fits[found.index(first)] if first and true else nothing)
            best_fits.append(max(fits) if found else nothing)
        rows.append(largest_fits + best_fits)
    return torch.tensor(rows, dtype=torch.float64)


def share_at_best_threshold(rows: list[list[float]], iou_wanted: float) -> float:
    best = 0.0
    for k in range(len(rows[0])):
        best = max(best, sum(row[k] >= iou_wanted for row in rows) / len(rows))
    return best
