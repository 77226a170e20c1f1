"""Hiding an image patch by patch, and the map of what that costs."""

import itertools
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import ImageError
from sightline.tensors import per_channel, per_image
from sightline.types import Images, Scores

Patch = tuple[slice, ...]
"""Where a patch lies: a slice for each axis of space."""


def occlusions(
    images: Images, patch: int, stride: int, fill: int | float | Tensor = 0.0
) -> Iterator[tuple[Images, Patch]]:
    """The images with one patch hidden and where it was, patch by patch (Zeiler & Fergus 2014).

    `images` `[b, c, *s]`, `patch` and `stride` in pixels. `fill` is what is put there, in the
    images' own space: a number, a tensor `[c]`, or a substrate like the images. Patches run in the
    order of reading, `stride` apart; where that leaves a rim, one more patch ends at the border, so
    that every pixel is hidden at least once. A patch longer than the image hides it whole. Each
    tensor is the receiver's own.

    >>> [
    ...     (hidden.flatten().tolist(), place)
    ...     for hidden, place in occlusions(torch.ones(1, 1, 5), 2, 2)
    ... ]
    [([0.0, 0.0, 1.0, 1.0, 1.0], (slice(0, 2, None),)),
     ([1.0, 1.0, 0.0, 0.0, 1.0], (slice(2, 4, None),)),
     ([1.0, 1.0, 1.0, 0.0, 0.0], (slice(3, 5, None),))]
    """
    colours = torch.as_tensor(fill, dtype=images.dtype, device=images.device)
    if colours.ndim <= 1 and colours.numel() in (1, images.shape[1]):
        colours = per_channel(colours, images.ndim)
    elif colours.shape != images.shape:
        raise ImageError(
            f"Expected as fill a number, one for each of the {images.shape[1]} channels, or a"
            f" substrate like the images {list(images.shape)}; came a tensor of shape"
            f" {list(colours.shape)}."
        )
    substrate, where = colours.expand(images.shape), patches(images.shape[2:], patch, stride)
    return ((_hidden(images, substrate, place), place) for place in where)


def patches(grid: Sequence[int], patch: int, stride: int) -> list[Patch]:
    """Where the patches lie, in the order of reading.

    Raises `ImageError` where they would leave pixels between them.

    >>> patches((4, 3), 3, 2)
    [(slice(0, 3, None), slice(0, 3, None)), (slice(1, 4, None), slice(0, 3, None))]
    """
    if not 1 <= stride <= patch:
        raise ImageError(
            "Expected patches of at least one pixel, no further apart than they are long; got"
            f" patch={patch}, stride={stride}: some pixels would never be hidden."
        )
    axes = []
    for size in grid:
        last = max(size - patch, 0)
        axes.append(
            [slice(start, min(start + patch, size)) for start in [*range(0, last, stride), last]]
        )
    return list(itertools.product(*axes))


def occlusion_map(
    drops: Sequence[Scores], where: Sequence[Patch], grid: Sequence[int]
) -> Float[Tensor, "b *s"]:
    """What hiding a pixel costs: the mean drop of the patches over it, signed, `[b, *grid]`.

    `drops` are the scores lost, Y - O, one `[b]` for each patch. A mean, not a sum: the rim lies
    under fewer patches.

    >>> occlusion_map(
    ...     [torch.tensor([0.5]), torch.tensor([0.0])], [(slice(0, 2),), (slice(1, 3),)], (3,)
    ... )
    tensor([[0.5000, 0.2500, 0.0000]], dtype=torch.float64)
    """
    total = torch.zeros(len(drops[0]), *grid, dtype=torch.float64, device=drops[0].device)
    count = torch.zeros(*grid, dtype=torch.float64, device=drops[0].device)
    for drop, place in zip(drops, where, strict=True):
        total[:, *place] += per_image(drop.double(), 1 + len(place))
        count[place] += 1
    return total / count


def _hidden(images: Images, substrate: Images, place: Patch) -> Images:
    hidden = images.clone()
    hidden[:, :, *place] = substrate[:, :, *place]
    return hidden
