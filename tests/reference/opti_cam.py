"""Opti-CAM, slowly: Adam written out number by number; and the whole way by torch's own Adam on one
long graph.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from reference.image_map import linear


def opti_cam(
    activations: Tensor,
    look_back: Callable[..., tuple[Tensor, Tensor]],
    scores: Tensor,
    steps: int = 100,
    lr: float = 0.1,
    form: str = "paper",
) -> Tensor:
    a = activations.double().numpy()
    images, channels, *space = a.shape
    there = [[k for k in range(channels) if a[b, k].max() != a[b, k].min()] for b in range(images)]
    u, m, v = (np.zeros((images, channels)) for _ in range(3))
    for t in range(1, steps + 1):
        maps = np.zeros((images, *space))
        for b in range(images):
            for k, share in shares(u[b], there[b]).items():
                maps[b] += share * a[b, k]
        told, slopes = look_back(torch.from_numpy(maps).to(activations.dtype))
        for b in range(images):
            s = shares(u[b], there[b])
            sign = 1.0 if form == "paper" else float(np.sign(float(scores[b]) - float(told[b])))
            d = {
                k: sum(sign * float(slopes[b][ij]) * a[b, k][ij] for ij in np.ndindex(*space))
                for k in s
            }
            for k in s:
                loss = -sum(
                    d[j] * s[j] * ((1.0 if j == k else 0.0) - s[k]) for j in s
                )  # to be made small
                m[b, k] = 0.9 * m[b, k] + 0.1 * loss
                v[b, k] = 0.999 * v[b, k] + 0.001 * loss**2
                u[b, k] -= (
                    lr * (m[b, k] / (1 - 0.9**t)) / (math.sqrt(v[b, k] / (1 - 0.999**t)) + 1e-8)
                )
    weights = torch.zeros(images, channels, *[1] * len(space), dtype=torch.float64)
    for b in range(images):
        for k, share in shares(u[b], there[b]).items():
            weights[b, k] = share
    return weights


def shares(u: np.ndarray, there: list[int]) -> dict[int, float]:
    """The softmax over the channels that vary."""
    largest = max((u[k] for k in there), default=0.0)
    total = sum(math.exp(u[k] - largest) for k in there)
    return {k: math.exp(u[k] - largest) / total for k in there}


def network_weights(
    net: nn.Module,
    image: Tensor,
    activations: Tensor,
    ask: Callable[[Tensor], Tensor],
    steps: int,
    lr: float = 0.1,
    form: str = "paper",
) -> tuple[Tensor, list[float]]:
    """The weights `[k]` of one image `[c, *s]` with activations `[k, *s]`, and the score at each
    step.
    """
    size = list(image.shape[1:])
    there = [
        k
        for k in range(len(activations))
        if float(activations[k].max()) != float(activations[k].min())
    ]
    flat = activations[there].double().flatten(1)
    enlarge = torch.stack(
        [enlarged(one, activations.shape[1:], size) for one in torch.eye(flat.shape[1]).double()], 1
    )
    u = torch.zeros(len(flat), dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([u], lr=lr)
    whole, found = ask(net(image[None])).detach(), []
    for _ in range(steps):
        large = enlarge @ (u.softmax(0) @ flat)
        mask = (large - large.min()) / (large.max() - large.min())
        score = ask(net((image * mask.reshape(size))[None]))
        loss = -score if form == "paper" else (whole - score).abs()
        adam.zero_grad()
        (u.grad,) = torch.autograd.grad(loss, u)
        adam.step()
        found.append(score.item())
    weights = torch.zeros(len(activations), dtype=torch.float64)
    weights[there] = u.detach().softmax(0)
    return weights, found


def enlarged(grid: Tensor, shape: torch.Size, size: list[int]) -> Tensor:
    """One map, pixel by pixel, flat."""
    large = np.zeros(size)
    for place in np.ndindex(*size):
        large[place] = linear(grid.reshape(shape).numpy(), place, size)
    return torch.from_numpy(large).flatten()
