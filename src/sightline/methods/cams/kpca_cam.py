"""KPCA-CAM: the first kernel principal component of the places (Karmani et al. 2024)."""

from math import isfinite

import torch
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.methods.cams.common.principal import (
    at_least_single,
    centred_rows,
    largest_is_positive,
    leading,
    precise,
)
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, Weights

KERNELS = ("sigmoid", "rbf")


def kpca_cam(
    activations: Activations,
    *,
    kernel: str = "sigmoid",
    gamma: float | None = None,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh so that the map is the places' first kernel principal component: class-agnostic, the
    target is not asked.

    $$K_{pq} = \tanh(\gamma\, x_p \cdot x_q + 1) \;\text{ or }\; e^{-\gamma |x_p - x_q|^2}, \qquad
      J K J\, u = \lambda_1 u, \qquad L_p = \sqrt{\lambda_1}\, u_p$$

    $x_p$ are the c activations at place p less their mean over the places, $J = I - 1/n$ centres in
    the kernel's own space. **The map is the same for every target**, as in Eigen-CAM, whose centred
    form this is with the linear kernel. `kernel` is `"sigmoid"` (with the constant 1) or `"rbf"`,
    `gamma` 1/c unless given: that is what the library pytorch-grad-cam takes. A kernel has a unit:
    activations twice as large give another map. A sigmoid kernel can have no positive eigenvalue;
    then, and where all places are alike, the map is zero.

    The component is no weighing of channels. It is shared out among them by what they have there:

    $$w^k_p = L_p\, A^k_p \Big/ \sum_l (A^l_p)^2$$

    are the shortest weights whose sum over the channels is $L_p$. At a place without any activation
    there is none, and the map is 0 there; where it should not be, `tally("silent", positions)`
    counts it. The sign: as in `eigen_cam`, the place of largest magnitude is positive. Time grows
    with the third power of the number of places, memory with the second.

    Expects and returns `[b, c, *s]`. Raises `MethodError` for another kernel and a gamma that is
    not positive.

    >>> A = torch.tensor([[[1.0, 1.0, 1.0, 5.0]]])  # three places alike, one apart
    >>> torch.round(
    ...     kpca_cam(A, kernel="rbf", gamma=100.0) * A, decimals=4
    ... )  # sqrt(3/2) (-1, -1, -1, 3) / sqrt(12)
    tensor([[[-0.3536, -0.3536, -0.3536,  1.0607]]])
    """
    if kernel not in KERNELS:
        raise MethodError(
            f"kernel is one of {KERNELS}, not {kernel!r}. {near(str(kernel), KERNELS)}"
        )
    if gamma is None:
        gamma = 1 / activations.shape[1]
    if (
        isinstance(gamma, bool)
        or not isinstance(gamma, int | float)
        or not (gamma > 0 and isfinite(gamma))
    ):
        raise MethodError(
            f"Expected a positive number as the kernel's gamma; got {gamma!r}. None takes 1 /"
            " channels."
        )
    exact = precise(activations)
    components = torch.stack([_component(one.flatten(1).T, kernel, gamma) for one in exact])
    positions = components.reshape(-1, 1, *activations.shape[2:])
    energy = exact.square().sum(1, keepdim=True)
    silent = energy == 0
    tally("silent", (silent & (positions != 0)).squeeze(1))
    return at_least_single(positions * exact / energy.masked_fill(silent, 1), activations)


def _component(rows: Tensor, kernel: str, gamma: float) -> Tensor:
    """The first component `[n]` of places `[n, c]`."""
    if not rows.isfinite().all():
        return rows.sum(1) * torch.nan
    rows = centred_rows(rows[None])[0]
    products = rows @ rows.T
    if kernel == "rbf":
        squares = products.diagonal()
        similar = torch.exp(-gamma * (squares[:, None] + squares - 2 * products).clamp(min=0))
    else:
        similar = torch.tanh(gamma * products + 1)
    means = similar.mean(1)
    value, vector = leading((similar - means[:, None] - means + means.mean())[None])
    rounding = 16 * len(rows) * torch.finfo(rows.dtype).eps * similar.detach().abs().amax()
    if not value > rounding:
        return rows.sum(1) * 0
    return (value.sqrt() * vector * largest_is_positive(vector.detach()))[0]
