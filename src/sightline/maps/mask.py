"""The explanation map: what of the picture is seen through a map."""

import torch
from torch import Tensor

from sightline.errors import ImageError
from sightline.maps.seen_through import seen_through
from sightline.tensors import per_channel
from sightline.types import ImageMap, Images


def explanation_map(images: Images, image_map: ImageMap, *, fill: float | Tensor = 0.0) -> Images:
    r"""The explanation map: the images, seen only as far as the map reaches (eq. 25).

    $$E = L \circ I + (1 - L)\, \mathrm{fill}$$

    `images` `[b, c, *s]`, `image_map` `[b, *s]` in [0, 1] on the same grid, as `upsample.image_map`
    returns it. The paper's E = L o I is `fill=0`: the product, the same for each channel. Returns
    `[b, c, *s]` in the images' dtype and space, ready for the model if the images were.

    The paper does not say in which space it multiplies, and it matters: a 0 in *raw* pixels is
    black, a 0 in *normalised* ones (`(RGB - mean) / std`) is the data set's mean colour. `fill`
    says what hidden places become, in the images' own space: a number, or a tensor `[c]`, one a
    channel. Black on normalised images: `fill=-mean / std`.

    Raises `ImageError` for a map on another grid and for a fill that is neither.

    >>> explanation_map(
    ...     torch.tensor([[[2.0, 2.0, 2.0]]]), torch.tensor([[1.0, 0.5, 0.0]]), fill=-4.0
    ... )
    tensor([[[ 2., -1., -4.]]])
    """
    if image_map.shape != (images.shape[0], *images.shape[2:]):
        raise ImageError(
            f"Expected a map [b, *s] for each of the images {list(images.shape)}, on their grid;"
            f" came {list(image_map.shape)}. Enlarge it first:"
            " sightline.maps.upsample.image_map(coarse, images.shape[2:])."
        )
    dtype = torch.promote_types(torch.promote_types(images.dtype, image_map.dtype), torch.float32)
    hidden = _filling(fill, images, dtype)
    return seen_through(images.to(dtype), image_map.to(dtype), hidden).to(images.dtype)


def _filling(fill: float | Tensor, images: Tensor, dtype: torch.dtype) -> Tensor:
    values = torch.as_tensor(fill, dtype=dtype, device=images.device)
    if values.ndim > 1 or values.numel() not in (1, images.shape[1]):
        raise ImageError(
            f"Expected a number or one for each of the {images.shape[1]} channels as fill; came a"
            f" tensor of shape {list(values.shape)}. Give a float or a tensor [{images.shape[1]}]."
        )
    return per_channel(values, images.ndim)
