"""Shapley-CAM: what a channel is worth when it joins others, to second order (Cai 2025)."""

from collections.abc import Callable

from torch import Tensor

from sightline.errors import MethodError, near
from sightline.types import Weights

UTILITIES = ("rest", "logit")
SecondOrder = Callable[[str], tuple[Tensor, Tensor]]
"""Takes the name of a utility and gives its gradient and its Hessian times the activations, both
`[b, c, *s]`.
"""


def shapley_cam(second_order: SecondOrder, *, utility: str = "rest") -> Weights:
    r"""Weigh each channel by the mean of its gradients less half of what they bend along the
    activations.

    $$w_k = \frac{1}{Z} \sum_{ij} \Bigl( g - \tfrac{1}{2} H A \Bigr)^k_{ij}, \qquad
      g = \frac{\partial u}{\partial A}, \quad H = \frac{\partial^2 u}{\partial A\, \partial A}$$

    The Shapley value of a channel in the game whose value is the utility u of the activations that
    take part, each estimated by a Taylor expansion of second order at the whole. H is the Hessian
    by all of an image's activations at once.

    `utility="rest"` is the paper's "residual softmax target-class": the logit less the
    cross-entropy, $S + \log p$, $p$ the softmax probability of the class. `utility="logit"` is the
    score asked for, of whatever kind. Behind a tail made of straight pieces its H is zero, and what
    is left is Grad-CAM.

    The activations are those of the layer's grid: a class token, which is no place, stands still.
    The library pytorch-grad-cam lets it take part.

    Returns `[b, c, 1, ...]`. Raises `MethodError` for another utility.

    >>> import torch
    >>> g, bent = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[2.0, 0.0]]])
    >>> shapley_cam(lambda utility: (g, bent)).item()  # the mean of 1 - 1 and 3 - 0
    1.5
    """
    if utility not in UTILITIES:
        raise MethodError(
            f"utility is one of {UTILITIES}, not {utility!r}. {near(str(utility), UTILITIES)}"
        )
    gradient, bent = second_order(utility)
    return (gradient - bent / 2).mean(tuple(range(2, gradient.ndim)), keepdim=True)
