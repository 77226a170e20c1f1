r"""`alpha="exact"`: Grad-CAM++ with true second and third derivatives, and no closed form.

The closed forms suppose that the score is affine in one activation while the others stand still.
These do not: s', s'' and s''' are the true derivatives of a score S by one activation, from
`surgery/derivatives/curvature.py`. Where S is affine, and s'' = s''' = 0, they are the closed
forms. An exact alpha has poles and can be negative; see `docs/exact.md`.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import MethodError
from sightline.methods.cams.common.alpha import Derivatives, weigh, weigh_by_derivatives
from sightline.methods.cams.common.derivatives import Explained, Probabilities, sigmoid_factors
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.tensors import per_image
from sightline.types import Activations, Gradients, Scores, Weights

LogDerivatives = tuple[Float[Tensor, "b c *s"], Float[Tensor, "b c *s"], Float[Tensor, "b c *s"]]


def grad_cam_pp_exact(
    activations: Activations,
    gradients: Gradients,
    second_derivatives: Gradients,
    third_derivatives: Gradients,
    *,
    alpha: str = "exact",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, with the true alpha of Y = exp(S) (eq. 5, 10, 13 and 14 in full).

    $$\alpha = \frac{s'^2 + s''}
        {2\,(s'^2 + s'') + (s'^3 + 3 s' s'' + s''') \sum_{ab} A_{ab}}, \qquad
      w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(s'_{ij})$$

    Both derivatives are divided by s', so that small gradients do not underflow. With `guard=True`
    the closed form stands in where alpha is not in (0, 1): $1 / \max(1, 2 + s' \sum A)$, as
    `grad_cam_pp` has it. The places where that mattered, those with s' > 0, are handed to
    `tally("guarded", places)`. `guard=False` is the letter of the paper.

    Takes `[b, c, *s]` four times, returns `[b, c, 1, ...]` without the factor exp(S).

    >>> A, g, zero = torch.ones(1, 1, 2), torch.tensor([[[1.0, -3.0]]]), torch.zeros(1, 1, 2)
    >>> grad_cam_pp_exact(
    ...     A, g, zero, zero
    ... ).item()  # nothing bends: the closed form, 1 / (2 + 1 x 2)
    0.25
    >>> grad_cam_pp_exact(A, g, zero + 1, zero).item()  # (1 + 1) / (2 x 2 + 2 x (1 + 3))
    0.1666...
    """
    _only(alpha)
    activation_sum = activations.sum(tuple(range(2, activations.ndim)), keepdim=True)
    positive = gradients > 0
    g = gradients.where(positive, 1)  # elsewhere nothing counts, and nothing is divided by
    bend = second_derivatives / g
    upper = g + bend
    alphas = upper / (
        2 * upper + (g * g + 3 * second_derivatives + third_derivatives / g) * activation_sum
    )
    if guard:
        inside = (alphas > 0) & (alphas < 1)
        tally("guarded", ~inside & positive)
        alphas = torch.where(inside, alphas, (2 + g * activation_sum).clamp(min=1).reciprocal())
    known = second_derivatives + third_derivatives + gradients
    return weigh(alphas.where(positive, 0).masked_fill(known.isnan(), torch.nan), gradients)


def grad_cam_pp_softmax_exact(
    activations: Activations,
    log_probability_derivatives: LogDerivatives,
    probabilities: Probabilities,
    explained: Explained,
    *,
    alpha: str = "exact",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, with the true alpha of a softmax probability Y = exp(l).

    $$Y' = Y l', \quad Y'' = Y (l'^2 + l''), \quad Y''' = Y (l'^3 + 3 l' l'' + l''')$$

    Divided by Y (1 - Y), as in `grad_cam_pp_softmax`, whose `guard` and `tally` it has, too.

    >>> A, one = torch.ones(1, 1, 1), torch.ones(1, 1, 1)
    >>> chances = torch.tensor([[0.5, 0.5]])
    >>> grad_cam_pp_softmax_exact(
    ...     A, (one, 0 * one, 0 * one), chances, torch.tensor([0])
    ... ).item()  # 2 x 1 / (2 + 1)
    0.6666...
    """
    _only(alpha)
    others = probabilities.scatter(1, explained[:, None], 0).sum(1)
    rest = per_image(others, activations.ndim)
    first, second, third = _of_exp(*log_probability_derivatives)
    return weigh_by_derivatives(
        activations, (first / rest, second / rest, third / rest), "paper", guard, tally
    )


def grad_cam_pp_log_softmax_exact(
    activations: Activations,
    log_probability_derivatives: LogDerivatives,
    *,
    alpha: str = "exact",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, with the true alpha of a log-probability l.

    >>> A, one = torch.ones(1, 1, 1), torch.ones(1, 1, 1)
    >>> grad_cam_pp_log_softmax_exact(A, (one, one, one)).item()  # 1 / (2 + 1)
    0.3333...
    """
    _only(alpha)
    return weigh_by_derivatives(activations, log_probability_derivatives, "paper", guard, tally)


def grad_cam_pp_sigmoid_exact(
    activations: Activations,
    gradients: Gradients,
    second_derivatives: Gradients,
    third_derivatives: Gradients,
    scores: Scores,
    *,
    alpha: str = "exact",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, with the true alpha of Y = sigmoid(S).

    $$Y' = q s', \quad Y'' = q\,((1 - 2Y)\, s'^2 + s''), \quad
      Y''' = q\,((1 - 6q)\, s'^3 + 3 (1 - 2Y)\, s' s'' + s'''), \qquad q = Y (1 - Y)$$

    Divided by q, as in `grad_cam_pp_sigmoid`, whose `guard` and `tally` it has, too.

    >>> A, g, zero = torch.ones(1, 1, 2), torch.tensor([[[1.0, -3.0]]]), torch.zeros(1, 1, 2)
    >>> grad_cam_pp_sigmoid_exact(A, g, zero, zero, torch.tensor([-50.0])).item()
    0.25
    """
    _only(alpha)
    _, bend, twist = sigmoid_factors(scores, gradients.ndim)
    second = bend * gradients**2 + second_derivatives
    third = twist * gradients**3 + 3 * bend * gradients * second_derivatives + third_derivatives
    return weigh_by_derivatives(activations, (gradients, second, third), "paper", guard, tally)


EXACT: dict[str, Callable[..., Weights]] = {
    "grad_cam_pp": grad_cam_pp_exact,
    "grad_cam_pp_softmax": grad_cam_pp_softmax_exact,
    "grad_cam_pp_log_softmax": grad_cam_pp_log_softmax_exact,
    "grad_cam_pp_sigmoid": grad_cam_pp_sigmoid_exact,
}
"""What `alpha="exact"` makes of a method."""


def _of_exp(first: Tensor, second: Tensor, third: Tensor) -> Derivatives:
    """The derivatives of exp(l), divided by it."""
    return first, first**2 + second, first**3 + 3 * first * second + third


def _only(alpha: str) -> None:
    if alpha != "exact":
        raise MethodError(
            f"Expected alpha='exact' for the exact forms; got {alpha!r}. The closed forms know the"
            " others."
        )
