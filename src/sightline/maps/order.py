"""The order of an image's pixels by their map, and the masks that follow from it."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline.errors import ImageError

Order = Int[Tensor, "b n"]
"""The pixels of each image by their flat index, the strongest first."""

Mask = Bool[Tensor, "b *s"]
"""Which pixels are meant."""


def rank(image_map: Float[Tensor, "b *s"]) -> Order:
    """Each image's pixels by their strength, the strongest first: `[b, n]` flat indices.

    Ties keep the order of reading, row by row: the same on every machine, and no matter of chance.
    (RISE's order of tied pixels is whatever its sort leaves; a map with large empty parts is
    deleted there in no meaningful order.) To take the weakest first, turn it round:
    `rank(map).flip(1)`.

    >>> rank(torch.tensor([[[0.0, 0.7], [0.7, 1.0]]]))
    tensor([[3, 1, 2, 0]])
    """
    return image_map.flatten(1).sort(dim=1, descending=True, stable=True).indices


def first_mask(order: Order, count: int, grid: Sequence[int]) -> Mask:
    """The mask `[b, *grid]` of the first `count` pixels of an order.

    >>> first_mask(torch.tensor([[3, 1, 2, 0]]), 2, (2, 2)).int()
    tensor([[[0, 1],
             [0, 1]]], dtype=torch.int32)
    """
    mask = torch.zeros(order.shape, dtype=torch.bool, device=order.device)
    return mask.scatter_(1, order[:, :count], True).view(order.shape[0], *grid)


def top_mask(image_map: Float[Tensor, "b *s"], share: int | float) -> Mask:
    """The strongest pixels, exactly this share of them: round(share x n), a half up.

    For the masks "soft top" (this times the map) and "binary top" (this). Ties go to the pixel read
    first, so an empty map keeps its upper part: a mask of the right size that says nothing.

    >>> top_mask(torch.tensor([[[0.0, 0.7], [0.7, 1.0]]]), 0.5).int()
    tensor([[[0, 1],
             [0, 1]]], dtype=torch.int32)
    """
    _assert_share(share, "share of pixels")
    count = math.floor(share * image_map[0].numel() + 0.5)
    return first_mask(rank(image_map), count, image_map.shape[1:])


def quantile_mask(image_map: Float[Tensor, "b *s"], theta: int | float) -> Mask:
    r"""The pixels that stay in the paper's occlusion by quantile (section 7.2).

    $$\Delta = 1$$ where $$L \ge \gamma$$.

    gamma is the theta-quantile of the map's own pixels. Between two of them every gamma, and so
    every definition of the quantile from "linear" (numpy's) to "higher", leaves the same mask; no
    number is interpolated. theta = 0 keeps all, theta = 1 the maximum only. Tied pixels stay or go
    together: of a map that is zero on 60 % of its pixels nothing is hidden up to theta = 0.6 and
    all these pixels at the next step; a constant map is never hidden. So the share that is really
    hidden has to be counted: `1 - mask.flatten(1).double().mean(1)`.

    >>> quantile_mask(torch.tensor([[0.0, 0.0, 0.5, 1.0]]), 0.5).int()
    tensor([[0, 0, 1, 1]], dtype=torch.int32)
    >>> quantile_mask(torch.tensor([[0.0, 0.0, 0.5, 1.0]]), 0.25).int()
    tensor([[1, 1, 1, 1]], dtype=torch.int32)
    """
    _assert_share(theta, "quantile")
    flat = image_map.flatten(1)
    place = math.ceil(
        round(theta * (flat.shape[1] - 1), 6)
    )  # 0.15 x 20 is 3, not 3.0000000000000004
    gamma = flat.kthvalue(place + 1, dim=1, keepdim=True).values
    return (flat >= gamma).view(image_map.shape)


def _assert_share(share: int | float, what: str) -> None:
    if not 0 <= share <= 1:
        raise ImageError(f"Expected a {what} from 0 to 1; got {share!r}. Per cent are hundredths.")
