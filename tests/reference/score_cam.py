"""Score-CAM, slowly: one channel at a time; and the whole way from a network and a picture to the
weights.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from reference.image_map import linear

Change = Callable[[Tensor], Tensor] | None


def score_cam(
    activations: Tensor, look: Callable[..., Tensor], top: int | None = None, form: str = "paper"
) -> Tensor:
    return averaged(activations, look, [None], top, form)


def averaged(
    activations: Tensor,
    look: Callable[..., Tensor],
    changes: list[Change],
    top: int | None,
    form: str = "paper",
) -> Tensor:
    """Algorithm 1: S_k, averaged over changes of the mask, then alpha_k = exp(S_k) / sum_l
    exp(S_l).
    """
    images, channels, *space = activations.shape
    weights = torch.zeros(images, channels, *[1] * len(space), dtype=torch.float64)
    for b in range(images):
        scores: dict[int, float] = {}
        for k in looked_through(activations[b], top):
            told = []
            for change in changes:
                maps = torch.zeros(1, images, *space, dtype=activations.dtype)
                maps[0] = activations[:, k]
                told.append(float(look(maps, change, probability=form == "authors")[0, b]))
            scores[k] = sum(told) / len(told)
        for k, weight in shares(scores, form).items():
            weights[b, k] = weight
    return weights


def looked_through(activations: Tensor, top: int | None) -> list[int]:
    """The channels that vary; of those the ones with the most energy."""
    varying = [
        k
        for k in range(len(activations))
        if float(activations[k].max()) != float(activations[k].min())
    ]
    energy = {k: sum(float(a) ** 2 for a in activations[k].flatten()) for k in varying}
    return varying if top is None else sorted(varying, key=lambda k: -energy[k])[:top]


def shares(scores: dict[int, float], form: str) -> dict[int, float]:
    if form == "authors":
        return scores
    largest = max(scores.values(), default=0.0)
    total = sum(math.exp(s - largest) for s in scores.values())
    return {k: math.exp(s - largest) / total for k, s in scores.items()}


def mask(grid: Tensor, size: list[int]) -> Tensor:
    """H_k: one channel enlarged pixel by pixel, then (U - min U) / (max U - min U)."""
    large = np.zeros(size)
    for place in np.ndindex(*size):
        large[place] = linear(grid.double().numpy(), place, size)
    return torch.from_numpy((large - large.min()) / (large.max() - large.min()))


def network_scores(
    net: nn.Module,
    image: Tensor,
    activations: Tensor,
    ask: Callable[[Tensor], Tensor],
    change: Change = None,
) -> dict[int, float]:
    """f(X o H_k) of each channel that varies, one forward pass each.

    `image` `[c, *s]`, `activations` `[k, *s]`.
    """
    found = {}
    for k in looked_through(activations, None):
        hidden = mask(activations[k], list(image.shape[1:]))
        hidden = hidden if change is None else change(hidden)
        with torch.no_grad():
            found[k] = float(ask(net((image * hidden.to(image))[None])))
    return found
