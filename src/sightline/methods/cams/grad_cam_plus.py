"""Grad-CAM+: the mean positive gradient (Lerma and Lucas 2022)."""

from sightline.types import Gradients, Weights


def grad_cam_plus(gradients: Gradients) -> Weights:
    r"""Weigh each channel by the mean of its positive gradients.

    $$w_k = \frac{1}{Z} \sum_{ij} \mathrm{relu}(g_{ij})$$

    This is Grad-CAM++ with one alpha everywhere. Where `g * sum(A)` is small, alpha is close to 1/2
    at every position and Grad-CAM++ is this method times Z/2; so it belongs in every comparison.
    Expects `[b, c, *s]`, returns `[b, c, 1, ...]`, never negative.

    >>> import torch
    >>> grad_cam_plus(torch.tensor([[[1.0, -3.0]]])).item()
    0.5
    """
    return gradients.relu().mean(tuple(range(2, gradients.ndim)), keepdim=True)
