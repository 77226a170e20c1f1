"""What comes in, made plain: detached, float32, on the CPU, of the right shape and range.

These functions check, with a message, what a signature cannot: pictures and maps arrive here from
people's own code.
"""

from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from sightline.errors import ImageError

Photograph: TypeAlias = Shaped[Tensor, "..."] | Image.Image
"""`[3, h, w]`, RGB in [0, 1], or a PIL picture."""

Plane: TypeAlias = Shaped[Tensor, "..."]
"""`[h, w]`: one number a place."""

_ROUNDING = 1e-3
"""How far beyond its range a number may lie and still be taken for its end."""


def photograph(image: Photograph) -> Float[Tensor, "h w 3"]:
    """A photograph with its colours last, as drawn here.

    >>> photograph(torch.zeros(3, 4, 5)).shape
    torch.Size([4, 5, 3])
    """
    if isinstance(image, Image.Image):
        return torch.from_numpy(np.array(image.convert("RGB"))).to(torch.float32) / 255
    image = numbers(image, "an image")
    if image.ndim != 3 or len(image) != 3 or not image.numel():
        raise ImageError(
            f"Expected one RGB image [3, h, w]; came the shape {list(image.shape)}. "
            "Pass one image of a batch, `images[0]`, with its colours first."
        )
    if image.min() < -_ROUNDING or image.max() > 1 + _ROUNDING:
        raise ImageError(
            f"Expected an image in [0, 1]; came values from {image.min():.4g} to {image.max():.4g}."
            " Divide 8-bit values by 255; a model's normalised input is no picture: pass the"
            " pixels it was made from."
        )
    return image.clamp(0, 1).permute(1, 2, 0)


def unit(map: Plane) -> Float[Tensor, "h w"]:
    """A map in [0, 1], made plain.

    >>> unit(torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16, requires_grad=True))
    tensor([[0., 1.]])
    """
    map = _plane(map)
    if map.min() < -_ROUNDING or map.max() > 1 + _ROUNDING:
        raise ImageError(
            f"Expected a map in [0, 1]; came values from {map.min():.4g} to {map.max():.4g}."
            " Rectify it and divide by its maximum (`upsample.image_map`), or draw it with"
            " `signed_overlay`."
        )
    return map.clamp(0, 1)


def signed(map: Plane, limit: int | float | None = None) -> Float[Tensor, "h w"]:
    """A signed map divided by `limit` (its largest magnitude, if none), cut off at -1 and 1.

    >>> signed(torch.tensor([[-4.0, 2.0]]))
    tensor([[-1.0000,  0.5000]])
    """
    if limit is not None and not 0 < limit < float("inf"):
        raise ImageError(
            f"Expected a limit above 0; came {limit}. Leave it out to take the map's largest"
            " magnitude."
        )
    map = _plane(map)
    largest = map.abs().max()
    divisor = largest if limit is None else map.new_tensor(limit)
    return (map / divisor).clamp(-1, 1) if largest > 0 else map


def enlarged(
    map: Float[Tensor, "h w"], height: int, width: int
) -> Float[Tensor, "{height} {width}"]:
    """The map on another grid, bilinear between the centres of its places.

    >>> enlarged(torch.tensor([[0.0, 2.0]]), 1, 4)
    tensor([[0.0000, 0.5000, 1.5000, 2.0000]])
    """
    if map.shape == (height, width):
        return map
    return F.interpolate(map[None, None], (height, width), mode="bilinear", antialias=True)[0, 0]


def picture(rgb: Float[Tensor, "h w 3"]) -> Image.Image:
    """A PIL picture of RGB in [0, 1], each value rounded to the nearest of 256.

    >>> picture(torch.tensor([[[1.0, 0.5, 0.0]]])).getpixel((0, 0))
    (255, 128, 0)
    """
    return Image.fromarray((rgb.clamp(0, 1) * 255 + 0.5).floor().byte().numpy())


def on_white(picture: Image.Image) -> Image.Image:
    """Any picture as RGB, what is transparent on white.

    >>> on_white(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def numbers(values: Shaped[Tensor, "..."], what: str) -> Float[Tensor, "..."]:
    """Detached, float32, on the CPU; raises `ImageError` for NaN and infinity.

    >>> numbers(torch.tensor([1], dtype=torch.int8), "a map")
    tensor([1.])
    """
    values = values.detach().to("cpu", torch.float32)
    if not values.isfinite().all():
        raise ImageError(
            f"Expected {what} of finite numbers; came NaN or infinity. "
            "Look at the explanation's status: it names the layer where they began."
        )
    return values


def _plane(map: Plane) -> Float[Tensor, "h w"]:
    map = numbers(map, "a map")
    if map.ndim != 2 or not map.numel():
        raise ImageError(
            f"Expected one map [h, w]; came the shape {list(map.shape)}. "
            "Pass one map of a batch: `maps[0]`, or `maps[0, 0]` where an image has several."
        )
    return map
