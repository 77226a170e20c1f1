"""Weights times activations, summed over the channels: the one primitive of every CAM."""

import torch

from sightline.tensors import without_autocast
from sightline.types import Activations, Map, Weights


def combine(weights: Weights, activations: Activations) -> Map:
    r"""The explanation on the layer's own grid, signed (eq. 2; eq. 20 before its relu).

    $$L_{ij} = \sum_k w^k_{ij} A^k_{ij}$$

    `weights` `[b, c, 1, ...]`, one a channel, or `[b, c, *s]`, one a place; `activations` `[b, c,
    *s]`. Returns `[b, *s]` in the more precise of their types and at least float32, also under
    autocast. Nothing is rectified or scaled here, so the map keeps its unit: for gradient weights,
    score.

    >>> combine(torch.tensor([[[2.0], [-1.0]]]), torch.tensor([[[1.0, 0.0, 3.0], [0.0, 1.0, 1.0]]]))
    tensor([[ 2., -1.,  5.]])
    """
    dtype = torch.promote_types(
        torch.promote_types(weights.dtype, activations.dtype), torch.float32
    )
    weights, activations = weights.to(dtype), activations.to(dtype)
    if weights.shape[2:].numel() > 1:
        return (weights * activations).sum(1)
    with without_autocast(activations.device):
        maps = weights.flatten(1).unsqueeze(1) @ activations.flatten(2)
    # `len(maps)` would fix the batch of an exported model
    return maps.reshape(maps.shape[0], *activations.shape[2:])
