"""FullGrad: what picture and biases add to the score (Srinivas and Fleuret 2019)."""

from collections.abc import Callable, Sequence

from torch import Tensor

from sightline.tensors import min_max
from sightline.types import Gradients


def full_grad(products: Sequence[Tensor], enlarge: Callable[[Tensor], Tensor]) -> Gradients:
    r"""Show where the picture and the biases of all layers add to the score, in size and not in
    direction.

    $$\psi(\nabla_x S \circ x) + \sum_l \sum_k \psi(\nabla_{b_l} S \circ b_l)_k$$

    psi takes the magnitude, scales it to [0, 1] by its minimum and maximum (one scale for all
    channels of a layer, as the authors' code does by our knowledge of it) and enlarges it to the
    picture; a constant layer becomes zero. What has no grid, such as a classifier's bias, is left
    out of the picture, though not of the sum.

    `products` are `[b, k, *s]`, the picture's first, then a layer's each, on its own grid, signed:
    together with those that have no grid they add up to the score exactly where the network is made
    of affine operators, batch norm in eval mode and pointwise activations. `enlarge` takes `[b,
    *s]` to the picture. Returns `[b, 1, *s]`, never negative.

    >>> import torch
    >>> full_grad(
    ...     [torch.tensor([[[1.0, -3.0]]]), torch.tensor([[[5.0, 0.0], [0.0, 10.0]]])], lambda m: m
    ... )
    tensor([[[0.5000, 2.0000]]])
    """
    picture, *layers = (min_max(product.abs()).sum(1) for product in products)
    return sum(map(enlarge, layers), start=picture).unsqueeze(1)
