"""Wins, ties and losses, image by image."""

import torch
from torch import Tensor


def win(drop: Tensor, other_drop: Tensor) -> Tensor:
    values = []
    for ours, theirs in zip(drop.tolist(), other_drop.tolist(), strict=True):
        if ours < theirs:
            values.append(1.0)
        elif ours > theirs:
            values.append(-1.0)
        else:
            values.append(0.0)
    return torch.tensor(values, dtype=torch.float64)
