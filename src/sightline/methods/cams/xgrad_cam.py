"""XGrad-CAM: gradients weighted by the activations (Fu et al. 2020)."""

from sightline.types import Activations, Gradients, Weights


def xgrad_cam(activations: Activations, gradients: Gradients) -> Weights:
    r"""Weigh each channel by its gradients, averaged with the activations as weights.

    $$w_k = \sum_{ij} \frac{A_{ij}}{\sum_{ab} A_{ab}}\, g_{ij}$$

    It is the solution of the paper's conservation `w * sum(A) = sum(A * g)`, channel by channel.
    Where `sum(A)` is zero that equation determines no w, and its least-squares solution of smallest
    size, **weight 0**, is taken: the policy for silent channels. Behind a ReLU it changes nothing,
    since such a channel is zero everywhere. Elsewhere sums of either sign can be small and the
    weights large: that is the formula. Expects `[b, c, *s]`, returns `[b, c, 1, ...]`.

    >>> import torch
    >>> xgrad_cam(
    ...     torch.tensor([[[1.0, 3.0], [0.0, 0.0]]]), torch.tensor([[[2.0, 4.0], [5.0, 5.0]]])
    ... ).flatten()
    tensor([3.5000, 0.0000])
    """
    space = tuple(range(2, activations.ndim))
    total = activations.sum(space, keepdim=True)
    silent = total == 0
    weighted = (activations * gradients).sum(space, keepdim=True) / total.masked_fill(silent, 1)
    return weighted.masked_fill(silent, 0)
