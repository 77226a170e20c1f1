"""Grad-CAM: the mean gradient (Selvaraju et al. 2017)."""

from sightline.types import Gradients, Weights


def grad_cam(gradients: Gradients) -> Weights:
    r"""Weigh each channel by the mean of its gradients (Grad-CAM++ eq. 3).

    $$w_k = \frac{1}{Z} \sum_{ij} g_{ij}, \qquad g_{ij} = \partial S / \partial A^k_{ij}$$

    S is the score before the softmax, Z the number of positions. Linear in the gradients, so
    negated gradients give the counterfactual map. Expects `[b, c, *s]`, returns `[b, c, 1, ...]`;
    the unit is score for activation.

    >>> import torch
    >>> grad_cam(torch.tensor([[[1.0, -3.0]]])).item()
    -1.0
    """
    return gradients.mean(tuple(range(2, gradients.ndim)), keepdim=True)
