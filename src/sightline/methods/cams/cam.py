"""CAM: the head's own weights (Zhou et al. 2016)."""

from jaxtyping import Float
from torch import Tensor

from sightline.tensors import per_image
from sightline.types import Activations, Weights


def cam(activations: Activations, head: Float[Tensor, "b c"]) -> Weights:
    r"""Weigh each channel by the row of the linear head that belongs to the explained class.

    $$w_k^c = \text{the weight from channel } k \text{ to class } c$$

    (Grad-CAM++ eq. 1 and 2.) Only for networks that end in global average pooling and one linear
    layer. There it is Z times Grad-CAM, Z the number of positions: the same picture.

    `head` `[b, c]`: for each image the row of its explained class. Returns `[b, c, 1, ...]` with as
    many spatial axes as `activations`, whose values are not looked at.

    >>> import torch
    >>> cam(torch.zeros(1, 2, 7, 7), torch.tensor([[0.5, -2.0]])).flatten()
    tensor([ 0.5000, -2.0000])
    """
    return per_image(head, activations.ndim)
