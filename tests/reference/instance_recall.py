"""Instance recall, box by box and pixel by pixel."""

import torch
from torch import Tensor

from reference.areas import inside, scaled


def instance_recall(image_map: Tensor, boxes: list[Tensor], deltas: tuple[float, ...]) -> Tensor:
    rows = []
    for one, own in zip(image_map, boxes, strict=True):
        values = scaled(one)
        peaks = []
        for k in range(len(own)):
            within = [v for place, v in values.items() if inside(*place, own[k : k + 1])]
            if within:
                peaks.append(max(within))
        rows.append(
            [
                sum(peak > d for peak in peaks) / len(peaks) if peaks else float("nan")
                for d in deltas
            ]
        )
    return torch.tensor(rows, dtype=torch.float64)
