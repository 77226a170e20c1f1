"""RISE's normalised area under a curve of confidences; insertion's is the same."""

import torch
from torch import Tensor


def deletion(deletion_curve: Tensor) -> Tensor:
    values = []
    for curve in deletion_curve.tolist():
        values.append((sum(curve) - curve[0] / 2 - curve[-1] / 2) / (len(curve) - 1))
    return torch.tensor(values, dtype=torch.float64)
