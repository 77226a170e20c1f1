"""The derivatives of a score with their common factors, which the methods divide out.

`softmax_shape` and `sigmoid_factors` say what alpha needs; these say what that is a part of.
"""

from torch import Tensor

from sightline.methods.cams.common.derivatives import sigmoid_factors, softmax_shape


def exp_derivatives(gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Y = exp(S), without the common factor exp(S), which overflows (eq. 13, 17, 18).

    $$Y' = Y g, \quad Y'' = Y g^2, \quad Y''' = Y g^3$$

    >>> import torch
    >>> [float(derivative) for derivative in exp_derivatives(torch.tensor([[[3.0]]]))]
    [3.0, 9.0, 27.0]
    """
    return gradients, gradients**2, gradients**3


def sigmoid_derivatives(gradients: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Y = sigmoid(S): the probability of a yes-or-no question with one logit.

    $$Y' = q g, \quad Y'' = q (1 - 2Y)\, g^2, \quad Y''' = q (1 - 6q)\, g^3, \qquad q = Y (1 - Y)$$

    `gradients` `[b, c, *s]`, `scores` `[b]` the logits.

    >>> import torch
    >>> first, second, third = sigmoid_derivatives(torch.tensor([[[2.0]]]), torch.tensor([0.0]))
    >>> first.item(), second.item(), third.item()
    (0.5, -0.0, -1.0)
    """
    q, bend, twist = sigmoid_factors(scores, gradients.ndim)
    return q * gradients, q * bend * gradients**2, q * twist * gradients**3


def softmax_derivatives(
    class_gradients: Tensor, probabilities: Tensor, explained: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Y = the softmax probability of the explained class (eq. 22 to 24, in closed form).

    $$Y' = Y d, \quad Y'' = Y (d^2 - v), \quad Y''' = Y (d^3 - 3 d v - t)$$
    $$m = \sum_k p_k s^k, \quad d = s^c - m, \quad v = \sum_k p_k (s^k - m)^2, \quad
      t = \sum_k p_k (s^k - m)^3$$

    Computed as `q` times `softmax_shape`. Returns three `[b, c, *s]`, or `[b, c, 1, ...]` where
    `class_gradients` is spatially constant.

    >>> import torch
    >>> class_gradients = torch.tensor(
    ...     [[[[2.0]]], [[[0.0]]]]
    ... )  # two classes: the sigmoid of their difference
    >>> first, second, third = softmax_derivatives(
    ...     class_gradients, torch.full((1, 2), 0.5), torch.tensor([0])
    ... )
    >>> first.item(), second.item(), third.item()
    (0.5, 0.0, -1.0)
    """
    own = explained[:, None]
    rest = probabilities.scatter(1, own, 0).sum(1)  # summed, never 1 - Y
    q = (probabilities.gather(1, own)[:, 0] * rest).reshape(-1, *[1] * (class_gradients.ndim - 2))
    first, second, third = softmax_shape(class_gradients, probabilities, explained)
    return q * first, q * second, q * third
