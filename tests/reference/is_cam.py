"""IS-CAM, slowly: the mean score over masks of the strength 1/N, 2/N, ... 1."""

from collections.abc import Callable

from torch import Tensor

from reference.score_cam import averaged


def is_cam(
    activations: Tensor, look: Callable[..., Tensor], steps: int = 10, top: int | None = None
) -> Tensor:
    changes = [lambda masks, i=i: masks * i / steps for i in range(1, steps + 1)]
    return averaged(activations, look, changes, top)
