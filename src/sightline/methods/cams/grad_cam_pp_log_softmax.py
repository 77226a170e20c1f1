"""Grad-CAM++ of the logarithm of a softmax probability."""

from sightline.methods.cams.common.alpha import weigh_by_derivatives
from sightline.methods.cams.common.derivatives import (
    Explained,
    Probabilities,
    log_softmax_derivatives,
)
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, ClassGradients, Weights


def grad_cam_pp_log_softmax(
    activations: Activations,
    class_gradients: ClassGradients,
    probabilities: Probabilities,
    explained: Explained,
    *,
    alpha: str = "paper",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, for the log-probability instead of exp(S) (eq. 5 and 10).

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(d_{ij}), \qquad
      \alpha = \frac{v}{2 v + t \sum_{ab} A_{ab}}$$

    with d, v, t from the gradients of *every* class (`derivatives.log_softmax_derivatives`). Alpha
    is the same whichever class is explained; the class enters through d alone. No factor is left
    out. Not in the paper, which needs it for captions, whose score is a sum of log-probabilities.

    Arguments, shapes, `alpha`, `guard` and `tally` as for `grad_cam_pp_softmax`.

    >>> import torch
    >>> A, both = torch.ones(1, 1, 2), torch.tensor([[0.5, 0.5]])
    >>> class_gradients = torch.tensor([[[[1.0, -3.0]]], [[[0.0, 0.0]]]])
    >>> grad_cam_pp_log_softmax(
    ...     A, class_gradients, both, torch.tensor([0])
    ... ).item()  # t = 0: alpha = 1/2
    0.25
    """
    derivatives = log_softmax_derivatives(class_gradients, probabilities, explained)
    return weigh_by_derivatives(activations, derivatives, alpha, guard, tally)
