"""Grad-CAM++: positive gradients, each position with its own alpha (Chattopadhay et al. 2018)."""

from sightline.methods.cams.common.alpha import weigh
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.tensors import unexpanded
from sightline.types import Activations, Gradients, Weights


def grad_cam_pp(
    activations: Activations, gradients: Gradients, *, alpha: str = "paper", tally: Tally = ignore
) -> Weights:
    r"""Weigh each channel by its positive gradients, every position with its own alpha (eq. 5 and
    19).

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(g_{ij}), \qquad
      \alpha_{ij} = \frac{g_{ij}^2}{2 g_{ij}^2 + g_{ij}^3 \sum_{ab} A_{ab}}
                  = \frac{1}{2 + g_{ij} \sum_{ab} A_{ab}}$$

    The score is Y = exp(S). Its factor exp(S) is left out: it is one positive number an image,
    changes no map that is divided by its maximum, and overflows. Exact where the network behind the
    layer is piecewise linear. Expects `[b, c, *s]` in float32 or better, returns `[b, c, 1, ...]`,
    never negative.

    - `alpha="paper"`: as above.
    - `alpha="authors"`: as in the authors' released code, alpha is divided by its sum over the
      positions with a positive gradient. The weight is then a weighted *mean* of the positive
      gradients, and on a pooled linear head the map is that of `grad_cam_plus`.

    Behind a ReLU the denominator is at least 2 and needs no epsilon. Elsewhere a channel's sum can
    be negative and the formula has a pole. **Policy:** the denominator is not let below 1, so that
    alpha stays in (0, 1] and is a continuous function of its inputs; the places where this happened
    are handed to `tally("clamped", places)`.

    >>> import torch
    >>> grad_cam_pp(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, -3.0]]])).item()
    0.25
    """
    g = unexpanded(gradients).relu()
    denominator = (g * activations.sum(tuple(range(2, activations.ndim)), keepdim=True)).add_(2)
    tally("clamped", (denominator < 1).expand_as(activations))
    alphas = denominator.clamp_(min=1).reciprocal_()
    return weigh(alphas.expand_as(activations), g.expand_as(activations), alpha)
