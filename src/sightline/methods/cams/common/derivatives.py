r"""First, second and third diagonal derivatives of a score Y, from the gradients of the logits.

Everything here supposes that each logit is affine in one activation while the others stand still,
which is so almost everywhere when the network behind the layer is piecewise linear (convolution,
linear layer, batch norm in eval mode, pooling, ReLU and its straight-line relatives). $s^k$ is the
derivative of logit k with respect to that one activation, $p_k$ the probability of class k, c the
explained class.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.methods.cams.common.alpha import Derivatives
from sightline.tensors import per_image
from sightline.types import ClassGradients, Scores

Probabilities = Float[Tensor, "b k"]
Explained = Int[Tensor, " b"]


def sigmoid_factors(scores: Scores, ndim: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""`(q, 1 - 2Y, 1 - 6q)` for Y = sigmoid(S), each `[b, 1, ...]` with `ndim` axes.

    Written as $q = \sigma(S)\,\sigma(-S)$ and $1 - 2Y = -\tanh(S/2)$: no digit is lost when Y is
    near 0 or 1.

    >>> import torch
    >>> [float(factor) for factor in sigmoid_factors(torch.tensor([0.0]), 3)]
    [0.25, -0.0, -0.5]
    """
    scores = per_image(scores, ndim)
    q = scores.sigmoid() * (-scores).sigmoid()
    return q, -(scores / 2).tanh(), 1 - 6 * q


def softmax_shape(
    class_gradients: ClassGradients, probabilities: Probabilities, explained: Explained
) -> Derivatives:
    r"""The softmax derivatives over their common factor $q = Y (1 - Y)$: what alpha and map need.

    The derivatives of the explained class's probability Y (eq. 22 to 24, in closed form) are

    $$Y' = Y d, \quad Y'' = Y (d^2 - v), \quad Y''' = Y (d^3 - 3 d v - t)$$
    $$m = \sum_k p_k s^k, \quad d = s^c - m, \quad v = \sum_k p_k (s^k - m)^2, \quad
      t = \sum_k p_k (s^k - m)^3$$

    A softmax is the reciprocal of a sum of exponentials, $1/Y = \sum_k \exp(S^k - S^c)$. With $e_k
    = s^k - s^c$, $r = 1 - Y$ and $N_n = \sum_{k \ne c} \frac{p_k}{r}\, e_k^n$ the n-th derivative
    of that sum is $r N_n / Y$, and so

    $$\frac{Y'}{q} = -N_1, \quad \frac{Y''}{q} = 2 r N_1^2 - N_2, \quad
      \frac{Y'''}{q} = -N_3 + 6 r N_1 N_2 - 6 r^2 N_1^3$$

    which is $d$, $d^2 - v$ and $d^3 - 3dv - t$ divided by r, but when Y is near 1 nothing cancels
    and nothing underflows: a network that is sure keeps its map. r is summed from the other
    classes, never taken from 1.

    >>> import torch
    >>> sure = torch.tensor([[1.0, 1e-30]])  # float32: 1 - Y would be 0
    >>> first, second, third = softmax_shape(
    ...     torch.tensor([[[[2.0]]], [[[0.0]]]]), sure, torch.tensor([0])
    ... )
    >>> first.item(), second.item(), third.item()
    (2.0, -4.0, 8.0)
    """
    shares, rest = _others(probabilities, explained)
    n1, n2, n3 = _moments(class_gradients, shares, _explained_gradients(class_gradients, explained))
    r = _column(rest, class_gradients)
    return -n1, 2 * r * n1**2 - n2, -n3 + 6 * r * n1 * n2 - 6 * r**2 * n1**3


def log_softmax_derivatives(
    class_gradients: ClassGradients, probabilities: Probabilities, explained: Explained
) -> Derivatives:
    r"""Y = the logarithm of the softmax probability: cross entropy, or a word of a caption.

    $$Y' = d, \quad Y'' = -v, \quad Y''' = -t$$

    with d, v, t as in `softmax_shape`. Only the first depends on the explained class. d is
    summed as $-\sum_k p_k (s^k - s^c)$, so that it keeps its digits when $p_c$ is near 1. v and t
    are taken about m in a second pass over the classes, for the same reason, and both from the
    gradients of the most probable class r: as its distance from m is small where the network is
    sure, $-\sum_k p_k (s^k - s^r)$, it may not be the difference of two large numbers.

    >>> import torch
    >>> class_gradients = torch.tensor([[[[2.0]]], [[[0.0]]]])
    >>> chances = torch.tensor([[0.75, 0.25]])
    >>> first, second, third = log_softmax_derivatives(class_gradients, chances, torch.tensor([0]))
    >>> first.item(), second.item(), third.item()
    (0.5, -0.75, 0.75)
    """
    own = _explained_gradients(class_gradients, explained)
    minus_d, *_ = _moments(class_gradients, probabilities, own)  # the mean of s^k - s^c
    top = _explained_gradients(class_gradients, probabilities.argmax(1))
    mean, *_ = _moments(class_gradients, probabilities, top)
    _, v, t = _moments(class_gradients, probabilities, top, mean)
    return -minus_d, -v, -t


def _others(probabilities: Tensor, explained: Tensor) -> tuple[Tensor, Tensor]:
    """The other classes' probabilities `[b, k]`, given one of them, and their sum `[b, 1]`."""
    others = probabilities.scatter(1, explained[:, None], 0)
    rest = others.sum(1, keepdim=True)
    return others / rest.masked_fill(rest == 0, 1), rest


def _explained_gradients(class_gradients: Tensor, explained: Tensor) -> Tensor:
    return class_gradients[explained, torch.arange(len(explained), device=explained.device)]


def _column(values: Tensor, class_gradients: Tensor) -> Tensor:
    """`[b, 1]` as `[b, 1, 1, ...]`, to be multiplied with gradients."""
    return per_image(values, class_gradients.ndim - 1)


def _moments(
    class_gradients: Tensor, weights: Tensor, centre: Tensor, mean: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over the classes of weight x (gradient - centre - mean)^n, n = 1, 2, 3.

    Some classes at a time: a thousand classes of a large layer fill hundreds of megabytes, and no
    second tensor of that size is made.
    """
    n1, n2, n3 = torch.zeros_like(centre), torch.zeros_like(centre), torch.zeros_like(centre)
    for gradients, share in _some_at_a_time(class_gradients, weights.T):
        e = gradients - centre if mean is None else (gradients - centre).sub_(mean)
        weighted = per_image(share, e.ndim) * e
        n1 = n1 + weighted.sum(0)
        weighted = weighted * e
        n2 = n2 + weighted.sum(0)
        n3 = n3 + (weighted * e).sum(0)
    return n1, n2, n3


def _some_at_a_time(
    class_gradients: Tensor, weights: Tensor, numbers: int = 2**20
) -> Iterator[tuple[Tensor, Tensor]]:
    step = max(1, numbers // max(1, class_gradients[0].numel()))
    return zip(torch.split(class_gradients, step), torch.split(weights, step), strict=True)
