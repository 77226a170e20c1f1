"""HiResCAM: gradient times activation, position by position (Draelos and Carin 2020)."""

from sightline.types import Gradients, Weights


def hires_cam(gradients: Gradients) -> Weights:
    r"""Weigh each position of each channel by its own gradient.

    $$w^k_{ij} = g^k_{ij}$$

    On a head that is linear in the activations the signed map sums to the score, up to the bias.
    The paper keeps the negative parts: they are in the coarse map; the picture shows the positive
    ones, as for every method. Expects and returns `[b, c, *s]`.

    >>> import torch
    >>> hires_cam(torch.tensor([[[1.0, -3.0]]]))
    tensor([[[ 1., -3.]]])
    """
    return gradients
