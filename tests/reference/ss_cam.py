"""SS-CAM, slowly: the mean score over N noisy masks; the fields of noise are drawn as the library
says it does.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from reference.score_cam import averaged


def field(number: int, size: list[int], seed: int = 0) -> Tensor:
    return torch.randn(
        size,
        generator=torch.Generator().manual_seed(seed * 1_000_003 + number),
        dtype=torch.float64,
    )


def ss_cam(
    activations: Tensor,
    look: Callable[..., Tensor],
    samples: int = 10,
    std: float = 2.0,
    top: int | None = None,
) -> Tensor:
    changes = [
        lambda masks, i=i: masks + std * field(i, list(masks.shape[2:])).to(masks)
        for i in range(samples)
    ]
    return averaged(activations, look, changes, top)
