"""From signed pixels and colours to one picture in [0, 1]."""

import torch

from sightline.tensors import over_maximum
from sightline.types import Gradients, ImageMap


def reduce(pixels: Gradients) -> ImageMap:
    r"""The channels' largest magnitude (Simonyan et al. 2013, section 3.1), over its maximum.

    $$M_{ij} = \max_k |p_{kij}|, \qquad M / \max_{ij} M_{ij}$$

    `pixels` `[b, c, *s]`; returns `[b, *s]` in [0, 1], float32 or better: how strongly, not in
    which direction. Pixels that are zero everywhere stay zero; an image whose pixels are not all
    finite has no picture and becomes zero, as in `upsample.image_map`.

    >>> reduce(torch.tensor([[[1.0, -4.0], [-2.0, 3.0]]]))
    tensor([[0.5000, 1.0000]])
    """
    pixels = pixels.to(torch.promote_types(pixels.dtype, torch.float32))
    return over_maximum(pixels.abs().amax(1))
