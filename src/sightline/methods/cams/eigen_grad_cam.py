"""Eigen-Grad-CAM: what varies most in gradient times activation."""

from sightline.methods.cams.common.principal import (
    at_least_single,
    centred_rows,
    first_right,
    largest_is_positive,
    precise,
)
from sightline.tensors import per_image
from sightline.types import Activations, Gradients, Weights


def eigen_grad_cam(
    activations: Activations, gradients: Gradients, *, centred: bool = False
) -> Weights:
    r"""Weigh each place by its gradient and the channel's part in the first singular vector of
    gradient x activation.

    $$g \circ A = U \Sigma V^T, \qquad L = (g \circ A)\, v_1, \qquad w^k_{ij} = g^k_{ij}\, v_{1k}$$

    Eigen-CAM on the contributions $g \circ A$, as a matrix places x channels, and so for a class.
    There is no paper: it comes from the library pytorch-grad-cam, which centres first and leaves
    the sign to the solver. `centred=True` takes $v_1$ of the centred matrix; the map is $(g \circ
    A) v_1$ either way, so that library's is this one less its mean.

    **It forgets which way a contribution points.** $v_1$ has an element for each channel, of either
    sign, and what a channel says against the class it turns round. Behind a ReLU and a pooled
    linear head nothing is negative in the uncentred map at all: channels for and against the class
    are equally bright. So it shows how much depends on a place, and `counterfactual=True` shows the
    same. The sign is settled as in `eigen_cam`: the place of largest magnitude in the (centred)
    projection is positive.

    Expects and returns `[b, c, *s]`.

    >>> import torch
    >>> A, g = torch.tensor([[[3.0, 6.0], [4.0, 8.0]]]), torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]])
    >>> eigen_grad_cam(A, g)[
    ...     0
    ... ]  # 3 - 4 would be against the class; here it is 3 x 0.6 + 4 x 0.8 = 5
    tensor([[0.6000, 0.6000],
            [0.8000, 0.8000]])
    """
    rows = (precise(gradients) * precise(activations)).flatten(2).mT
    rows = centred_rows(rows) if centred else rows
    axis = first_right(rows)
    axis = axis * largest_is_positive((rows @ axis.unsqueeze(2)).squeeze(2))
    return gradients * per_image(at_least_single(axis, activations), activations.ndim)
