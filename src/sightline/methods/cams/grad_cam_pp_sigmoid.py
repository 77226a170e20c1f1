"""Grad-CAM++ of a sigmoid probability."""

from sightline.methods.cams.common.alpha import weigh_by_derivatives
from sightline.methods.cams.common.derivatives import sigmoid_factors
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, Gradients, Scores, Weights


def grad_cam_pp_sigmoid(
    activations: Activations,
    gradients: Gradients,
    scores: Scores,
    *,
    alpha: str = "paper",
    guard: bool = True,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh as Grad-CAM++ does, for Y = sigmoid(S) instead of exp(S) (eq. 5 and 10).

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(g_{ij}), \qquad
      \alpha_{ij} = \frac{1 - 2Y}{2 (1 - 2Y) + (1 - 6q)\, g_{ij} \sum_{ab} A_{ab}}, \qquad
      q = Y (1 - Y)$$

    For single-logit and multi-label classifiers. The weights are those of the formula divided by q,
    one positive number an image. `scores` `[b]` are the logits S. Far below zero it is
    `grad_cam_pp`; at S = 0 alpha is 0, and the guard acts everywhere; above, the correction changes
    its sign and alpha has a pole. Not in the paper.

    Shapes, `alpha`, `guard` and `tally` as for `grad_cam_pp_softmax`, which agrees with it for two
    classes of which one has the logit 0.

    >>> import torch
    >>> A, g = torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, -3.0]]])
    >>> grad_cam_pp_sigmoid(A, g, torch.tensor([-50.0])).item()
    0.25
    """
    _, bend, twist = sigmoid_factors(scores, gradients.ndim)
    # Eq. 10 with q g^2 divided out of both derivatives, as in eq. 19: nothing underflows.
    derivatives = gradients, bend.expand_as(gradients), twist * gradients
    return weigh_by_derivatives(activations, derivatives, alpha, guard, tally)
