"""Pictures that need no mixing: the map alone, what it leaves of the photograph, gradients."""

import numpy as np
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from sightline.errors import ImageError
from sightline.render.colours import colourise
from sightline.render.convert import (
    Photograph,
    Plane,
    enlarged,
    numbers,
    photograph,
    picture,
    signed,
    unit,
)


def heat(map: Plane, *, colours: str = "inferno") -> Image.Image:
    """The map alone, in colours.

    >>> import torch
    >>> heat(torch.tensor([[0.0, 1.0]]), colours="grey").getpixel((1, 0))
    (255, 255, 255)
    """
    return picture(colourise(map, colours))


def explanation_map(image: Photograph, map: Plane) -> Image.Image:
    r"""What the map leaves of the photograph (Grad-CAM++ section 4.1): black where it is 0.

    `image` `[3, h, w]` in [0, 1] or a PIL picture; `map` `[h, w]` in [0, 1], enlarged where it is
    coarser.

    >>> import torch
    >>> explanation_map(torch.ones(3, 1, 2), torch.tensor([[0.0, 0.2]])).getpixel((1, 0))
    (51, 51, 51)
    """
    # of pixels `[h, w, 3]` in numpy, for a picture: not `maps.seen_through`, which is for models
    pixels = photograph(image)
    return picture(pixels * enlarged(unit(map), *pixels.shape[:2])[..., None])


def pixels_picture(
    gradients: Shaped[Tensor, "..."], *, percentile: int | float = 98.0
) -> Image.Image:
    """Signed values a pixel and colour (a gradient, a guided product) around mid grey.

    0 is mid grey (128), the `percentile` of the magnitudes and everything above it is full colour:
    the same scale for both signs and all three channels, so hues are what the gradient says and 0
    stays grey. A percentile and not the maximum, because one stray pixel would turn the rest grey.
    Where even that is 0 (a guided product is sparse), the percentile of the magnitudes that are
    not.

    `gradients` `[3, h, w]`, RGB order. Raises `ImageError` for another shape, or a percentile not
    in (0, 100].

    >>> import torch
    >>> pixels_picture(torch.tensor([[[-3.0, 0.0]], [[0.0, 0.0]], [[3.0, 0.0]]])).getpixel((0, 0))
    (0, 128, 255)
    """
    if not 0 < percentile <= 100:
        raise ImageError(
            f"Expected a percentile above 0, up to 100; came {percentile}. 98 is the default."
        )
    values = numbers(gradients, "gradients")
    if values.ndim != 3 or len(values) != 3 or not values.numel():
        raise ImageError(
            "Expected the gradients of one RGB image [3, h, w]; came the shape"
            f" {list(values.shape)}. Pass one image of a batch: `gradients[0]`."
        )
    magnitudes = values.abs().numpy()
    limit = float(np.percentile(magnitudes, percentile))
    if limit == 0 and magnitudes.any():
        limit = float(np.percentile(magnitudes[magnitudes > 0], percentile))
    scaled = signed(values.flatten(1), limit or None).reshape(values.shape)
    return picture((scaled.permute(1, 2, 0) + 1) / 2)
