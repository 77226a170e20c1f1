"""From the layer's grid to the input's: where maps are rectified, enlarged and scaled."""

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import LayerError
from sightline.tensors import allow_grad, per_image, without_autocast
from sightline.types import Map

Ends = tuple[list[float], list[float]]
"""The least and the largest value of each map."""

_TINY, _HUGE = 1e-30, 1e30


def image_map(
    coarse: Map,
    size: Sequence[int],
    ends: Ends | None = None,
    *,
    shares: Sequence[float] | None = None,
) -> Float[Tensor, "b *size"]:
    r"""The picture of a map: its positive part, enlarged linearly, divided by its maximum (eq. 20).

    `coarse` `[b, *s]` as `combine` returns it, `size` the input's extent along each spatial axis.
    Returns the `ImageMap` `[b, *size]` in [0, 1], float32 or better; per image the maximum is
    exactly 1.

    - Linear along every axis (bilinear in 2-D, trilinear in 3-D), pixel centres at the middle of
      their pixels (`align_corners=False`). Where `size` is smaller than the grid, the filter
      widens, so that no evidence falls between the samples.
    - A map without positive evidence stays zero everywhere.
    - A map that is not finite everywhere has no picture: it becomes zero everywhere, without
      touching its neighbours in the batch. The coarse map keeps what was wrong, and
      `Explanation.status` names it.

    `ends` are the `extremes` of the maps, where they are known already. `shares` says how much of
    the grid, along each axis and from its start, lies on the input, where a model pads its input
    inside; the rest is cut off.

    Raises `LayerError` where `size` does not have one number, at least 1, for each axis of the map.

    >>> image_map(torch.tensor([[-1.0, 0.0, 2.0]]), size=[6])
    tensor([[0.0000, 0.0000, 0.0000, 0.2500, 0.7500, 1.0000]])
    """
    if len(size) != coarse.ndim - 1 or min(size, default=0) < 1:
        raise LayerError(
            f"Expected a size of at least 1 for each spatial axis of the map, whose shape is "
            f"{list(coarse.shape)}: batch first; came {list(size)}. "
            "Choose a layer with as many spatial axes as the input, or give the size of its grid."
        )
    coarse = coarse.to(torch.promote_types(coarse.dtype, torch.float32))
    low, high = extremes(coarse) if ends is None else ends
    if not all(map(isfinite, (*low, *high))):
        finite = coarse.isfinite().flatten(1).all(1)
        coarse = coarse.where(per_image(finite, coarse.ndim), 0)
    maps = coarse.relu()
    if not all(_TINY < peak < _HUGE for peak in high):  # so that no map underflows half-way
        maps = _divided(maps)
    return _divided(enlarged(maps, size, shares))


def image_map_unread(coarse: Map, size: Sequence[int]) -> Float[Tensor, "b *size"]:
    """`image_map` without looking at a number: every step is taken, needed or not.

    For exporters, which follow one way. The same up to rounding; so is the maximum 1.

    >>> image_map_unread(torch.tensor([[-1.0, 0.0, 2.0], [0.0, torch.nan, 1.0]]), size=[6])
    tensor([[0.0000, 0.0000, 0.0000, 0.2500, 0.7500, 1.0000],
            [0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000]])
    """
    coarse = coarse.to(torch.promote_types(coarse.dtype, torch.float32))
    finite = coarse.isfinite().flatten(1).all(1)
    maps = coarse.where(per_image(finite, coarse.ndim), 0).relu()
    return _divided(enlarged(_divided(maps), size))


def extremes(maps: Tensor) -> Ends:
    """The least and the largest value of each map `[b, ...]`; both are nan where there is one.

    >>> extremes(torch.tensor([[1.0, -3.0], [0.5, 0.25]]))
    ([-3.0, 0.25], [1.0, 0.5])
    """
    low, high = maps.detach().flatten(1).aminmax(dim=1)
    return low.tolist(), high.tolist()


def _divided(maps: Tensor) -> Tensor:
    """Maps that are never negative, by their maximum, or the smallest normal number if larger.

    Not `tensors.over_maximum`: this one writes in place and asks nothing of the numbers, so that
    it costs one pass and an exporter can follow.
    """
    peak = maps.flatten(1).amax(1).clamp(min=torch.finfo(maps.dtype).tiny)
    divisor = per_image(peak, maps.ndim)
    return maps / divisor if maps.requires_grad else maps.div_(divisor)  # they are our own


def enlarged(maps: Tensor, size: Sequence[int], shares: Sequence[float] | None = None) -> Tensor:
    """Maps `[b, *s]` on a grid of another size, by linear interpolation: a small matrix an axis.

    With `shares` the new grid lies over the first part of each axis of the old one only.

    >>> enlarged(torch.tensor([[0.0, 1.0, 2.0, 9.0]]), [3], [0.75])
    tensor([[0., 1., 2.]])
    """
    with without_autocast(maps.device):
        for axis in range(maps.ndim - 1, 0, -1):
            old, new = maps.shape[axis], size[axis - 1]
            share = 1.0 if shares is None else shares[axis - 1]
            if old == new and share == 1:
                continue
            # the matrix that an exporter makes is a stand-in of its own run: it must not be kept
            linear = _linear if type(maps) is Tensor else _linear.__wrapped__
            matrix = linear(old, new, maps.dtype, share).to(maps.device)
            if axis == maps.ndim - 1:
                maps = maps @ matrix.T
            else:
                maps = (matrix @ maps.flatten(axis + 1)).unflatten(-1, maps.shape[axis + 1 :])
    return maps


@lru_cache(maxsize=64)
def _linear(old: int, new: int, dtype: torch.dtype, share: float = 1.0) -> Tensor:
    """`[new, old]`: how much each old sample counts in each new one. Rows sum to 1.

    `share` is the part of the old axis, from its start, that the new one covers.

    A triangle around the new sample's centre, as wide as the larger of the two spacings. What it
    would take from beyond the border is taken from the samples inside, which for enlarging repeats
    the last one.
    """
    with allow_grad():  # it is kept: an inference tensor could not serve a loss later
        step = old * share / new
        olds, news = (torch.arange(n, dtype=torch.float64, device="cpu") for n in (old, new))
        centres = (news + 0.5) * step - 0.5
        distance = (centres[:, None] - olds).abs() / max(1.0, step)
        triangle = (1 - distance).relu()
        return (triangle / triangle.sum(1, keepdim=True)).to(dtype)
