"""A map over its photograph, like coloured glass: hot places glow and stay recognisable.

Blending a heat map evenly over a photograph hides the photograph twice: where there is no evidence
under the dark end of the colour map, and where there is most under its bright end. Here

- the photograph loses part of its own colour, so that colour means evidence;
- the map's opacity rises with the map: no evidence, no paint;
- the paint is tinted glass: the map's colour, darkened where the photograph is dark, so that eyes
  and edges are still seen at the hottest places.
"""

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sightline.errors import ImageError
from sightline.render.colours import colourise, diverging
from sightline.render.convert import Photograph, Plane, enlarged, photograph, picture, signed, unit

FULL = 0.7
"""The evidence from which the paint is as opaque as it gets."""

GLASS = 0.55
"""Share of the map's colour that shines even where the photograph is black."""

_LUMA = (0.2126, 0.7152, 0.0722)


def overlay(
    image: Photograph, map: Plane, *, colours: str = "inferno", strength: int | float = 0.6
) -> Image.Image:
    r"""A photograph with its map, as an RGB picture of the photograph's size.

    With $P$ the photograph, $Y$ its luma (ITU-R BT.709, as the same grey in all three channels),
    $M$ the map, $c(M)$ its colours, $s$ the strength and $t = \min(1, M / 0.7)$:

    $$F = (1 - s) P + s Y, \qquad o = s (2 - s)\,t^2 (3 - 2t), \qquad
      (1 - o)\,F + o\,c(M)\,(0.55 + 0.45\,F^{0.6})$$

    So where the map is 0 the pixel is the photograph, its colour faded by `strength` and its luma
    kept; `strength=0` returns the photograph; from 0.7 on the paint covers `s (2 - s)`, 84 % by
    default.

    `image` `[3, h, w]` in [0, 1] or a PIL picture; `map` `[h, w]` in [0, 1], enlarged where it is
    coarser. Raises `ImageError` for another shape or range, `MethodError` for an unknown colour
    map.

    >>> overlay(torch.full((3, 1, 2), 1.0), torch.tensor([[0.0, 1.0]])).getpixel((0, 0))
    (255, 255, 255)
    """
    pixels = photograph(image)
    evidence = enlarged(unit(map), *pixels.shape[:2])
    return picture(_painted(pixels, colourise(evidence, colours), evidence, strength))


def signed_overlay(
    image: Photograph, map: Plane, *, limit: int | float | None = None, strength: int | float = 0.6
) -> Image.Image:
    """A photograph with its signed map: red for evidence for, blue for evidence against.

    Painted as by `overlay`, with the magnitude for the opacity and `diverging` for the colours.

    `map` `[h, w]`, of any magnitude, enlarged where it is coarser: `Explanation.coarse[0]` is what
    to pass. `limit` is the magnitude that gets the full colour (the largest in the map, where none
    is given): give the same one to pictures that are to be compared.

    >>> red, green, blue = signed_overlay(
    ...     torch.ones(3, 1, 2), torch.tensor([[-2.0, 2.0]])
    ... ).getpixel((1, 0))
    >>> red > blue
    True
    """
    pixels = photograph(image)
    evidence = signed(enlarged(signed(map, limit), *pixels.shape[:2]), 1.0)
    return picture(_painted(pixels, diverging(evidence, limit=1.0), evidence.abs(), strength))


def _painted(
    pixels: Float[Tensor, "h w 3"],
    colours: Float[Tensor, "h w 3"],
    evidence: Float[Tensor, "h w"],
    strength: int | float,
) -> Float[Tensor, "h w 3"]:
    if not 0 <= strength <= 1:
        raise ImageError(f"Expected a strength from 0 to 1; came {strength}. 0.6 is the default.")
    luma = (pixels @ pixels.new_tensor(_LUMA))[..., None]
    ramp = (evidence / FULL).clamp(max=1)[..., None]
    opacity = strength * (2 - strength) * ramp**2 * (3 - 2 * ramp)
    faded = torch.lerp(pixels, luma.expand_as(pixels), strength)
    return torch.lerp(faded, colours * (GLASS + (1 - GLASS) * faded**0.6), opacity)
