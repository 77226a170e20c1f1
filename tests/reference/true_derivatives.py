"""What no formula is needed for: Y', Y'' and Y''' along each activation, by differentiating three
times.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def true_derivatives(
    score: Callable[[Tensor], Tensor], activations: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """`score` makes one number of `activations` `[1, c, *s]`.

    One of them moves, the others stand still.
    """
    three = torch.zeros(3, *activations.shape, dtype=torch.float64)
    for place in np.ndindex(*activations.shape):
        moving = activations[place].double().clone().requires_grad_()
        chosen = torch.zeros(activations.shape, dtype=torch.bool)
        chosen[place] = True
        y = score(torch.where(chosen, moving, activations.double()))
        for order in range(3):
            y = derivative(y, moving)
            three[(order, *place)] = y.detach()
    return three[0], three[1], three[2]


def derivative(y: Tensor, x: Tensor) -> Tensor:
    if not y.requires_grad:
        return torch.zeros_like(x)
    (slope,) = torch.autograd.grad(y, x, create_graph=True, materialize_grads=True)
    return slope
