"""Eigen-CAM: what varies most in the activations, whatever the class (Muhammad and Yeasin 2020)."""

from sightline.methods.cams.common.principal import (
    at_least_single,
    centred_rows,
    first_right,
    largest_is_positive,
    precise,
)
from sightline.tensors import per_image
from sightline.types import Activations, Weights


def eigen_cam(activations: Activations, *, centred: bool = False) -> Weights:
    r"""Weigh each channel by its part in the activations' first singular vector: class-agnostic, no
    target is asked.

    $$A = U \Sigma V^T, \qquad L = A\, v_1, \qquad w_k = v_{1k}$$

    A is one image's activations as a matrix, places x channels, and $v_1$ its first right singular
    vector, of length 1. **The map is the same for every target**: no gradient and no score goes
    into it. It shows what is strong in the layer, which often is the object, and not what speaks
    for a class.

    Variants. The paper does not subtract the mean of each channel; `centred=True` takes $v_1$ of
    the centred matrix, the first principal axis. The map is $A v_1$ either way. Other libraries
    centre, and project the centred activations: that is this map less its mean over the places, so
    their picture hides what is below the average.

    A singular vector has no sign. It is turned so that the place of largest magnitude in the
    (centred) projection is positive; behind a ReLU that makes all weights of the uncentred form >=
    0. The paper says nothing of it, and elsewhere the sign is what the solver happens to give.
    Where the first two singular values are equal there is no first vector, and the map is one of
    many.

    Expects `[b, c, *s]`, returns `[b, c, 1, ...]`; 0 where there is no activation.

    >>> import torch
    >>> eigen_cam(
    ...     torch.tensor([[[3.0, 6.0], [4.0, 8.0]]])
    ... ).flatten()  # each place (3, 4) or twice that
    tensor([0.6000, 0.8000])
    """
    rows = precise(activations).flatten(2).mT
    rows = centred_rows(rows) if centred else rows
    axis = first_right(rows)
    axis = axis * largest_is_positive((rows @ axis.unsqueeze(2)).squeeze(2))
    return per_image(at_least_single(axis, activations), activations.ndim)
