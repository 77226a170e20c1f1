"""Increase in confidence, image by image (Grad-CAM++ v3, section 4.1)."""

import torch
from torch import Tensor


def increase_in_confidence(full_score: Tensor, masked_score: Tensor) -> Tensor:
    pairs = zip(full_score.tolist(), masked_score.tolist(), strict=True)
    return torch.tensor([1.0 if y < o else 0.0 for y, o in pairs], dtype=torch.float64)
