"""PxAP, pixel by pixel, and its figure, threshold by threshold from the highest."""

import torch
from torch import Tensor

from reference.areas import scaled


def pxap(image_map: Tensor, mask: list[Tensor | None]) -> Tensor:
    rows = []
    for one, own in zip(image_map, mask, strict=True):
        if own is None or not any(own.flatten().tolist()):
            rows.append([float("nan")] * 513)
            continue
        pairs = [(value, bool(own[place])) for place, value in scaled(one).items()]
        hits = [sum(v >= k / 255 and t for v, t in pairs) for k in range(256)]
        false = [sum(v >= k / 255 and not t for v, t in pairs) for k in range(256)]
        rows.append([*hits, *false, sum(t for _, t in pairs)])
    return torch.tensor(rows, dtype=torch.float64)


def average_precision(rows: list[list[float]]) -> float:
    total = sum(row[512] for row in rows)
    result = recall_before = 0.0
    for k in reversed(range(256)):
        tp, fp = sum(row[k] for row in rows), sum(row[256 + k] for row in rows)
        if tp + fp:
            recall = tp / total
            result += tp / (tp + fp) * (recall - recall_before)
            recall_before = recall
    return result
