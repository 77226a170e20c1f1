"""Colour maps in which equal steps of evidence look like equal steps.

The tables of *inferno*, *viridis*, *magma* (S. van der Walt, N. Smith) and *cividis* (J. Nuñez, C.
Anderton, R. Renslow) are every fifth colour (cividis: every third, it bends sharply in the blue) of
the 256 their authors gave to the public domain (CC0), and straight lines between them. Lightness
rises all the way, so that they read in grey print and with any colour vision.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.render.convert import Plane, signed, unit
from sightline.render.oklab import from_oklab

COLOURS: dict[str, str] = {
    "inferno": (
        "00000402020c0504170a072210092d160b391e0c45260c512f0a5b380962400a67490b6a510e6c59106e61136e69166e"
        "71196e781c6d801f6c88226a902568982766a02a63a82e5fb0315bb73557bf3952c63d4dcc4248d34743d94d3ddf5337"
        "e45a31e9612bed6925f1711ff47918f78212f98b0bfa9407fb9d07fca60cfcb014fbba1ffac42af8cd37f6d746f4e156"
        "f2ea69f2f27df5f992fcffa4"
    ),
    "viridis": (
        "44015446085c471063481769481d6f482475472a7a46307e453781433d844142873f48893d4e8a3a538b38598c355e8d"
        "33638d31688e2e6d8e2c718e2a768e297b8e27808e25848e23898e218e8d20928c1f978b1e9c891fa18821a58524aa83"
        "28ae802eb37c35b7793dbc7446c06f50c46a5ac86465cb5e70cf577cd25089d54895d840a2da37b0dd2fbddf26cae11f"
        "d8e219e5e419f1e51dfde725"
    ),
    "magma": (
        "00000402020b0504160907200e0b2b140e361a104221114e29115a311165390f6e420f754a107952137c5a167e621980"
        "6a1c81721f81792282812581892881912b81992d80a1307eaa337db2357bba3878c23b75ca3e72d2426fd9466be04c67"
        "e75263ec5860f1605df4695cf7725cf97b5dfb8560fc8e64fd9869fea16efeaa74feb47bfebd82fec68afecf92fed89a"
        "fde2a3fdebacfcf4b6fcfdbf"
    ),
    "cividis": (
        "00224e00255300275800295d002b62002d68002f6d0031700533710f35701637701c396f213b6e263d6e2a3f6d2e416d"
        "32436d35456c39486c3c4a6c3f4c6c424e6c45506c48526c4b546c4e566c51586d545a6d565c6d595e6e5c616e5e636f"
        "61656f646770666970696b716c6d726e6f737172747374757676767878777b7a787e7c78807f78838179868379898578"
        "8c88788f8a78928c78948e779791779a93769d9576a09875a39a74a69c74a99f73aca172afa471b3a670b6a96fb9ab6d"
        "bcae6cbfb06bc2b369c5b568c8b866ccba64cfbd62d2c060d5c25ed9c55cdcc859dfca57e2cd54e6d051e9d34eedd54a"
        "f0d846f3db42f7de3efbe138fee434fee838"
    ),
    "grey": "000000ffffff",
}
"""Maps for evidence in [0, 1]: name -> equally spaced colours, six hexadecimal digits each."""

DIVERGING = "blue_red"
"""The map for signed evidence: blue against, white nothing, red for."""

_LIGHTNESS, _CHROMA, _BLUE, _RED = 0.55, 0.19, 258.0, 29.0
"""Ends of the diverging map in OKLab: equally dark, equally colourful, hues in degrees."""


def colourise(map: Plane, name: str = "inferno") -> Float[Tensor, "h w 3"]:
    """Colours of a map in [0, 1], as RGB in [0, 1].

    `map` `[h, w]`, any float type, on any device. Raises `MethodError` for an unknown name.

    >>> colourise(torch.tensor([[0.0, 0.5, 1.0]]), "grey")[0, 1]
    tensor([0.5000, 0.5000, 0.5000])
    """
    anchors = table(name)
    place = unit(map) * (len(anchors) - 1)
    below = place.floor().long().clamp(max=len(anchors) - 2)
    return torch.lerp(anchors[below], anchors[below + 1], (place - below)[..., None])


def diverging(map: Plane, *, limit: int | float | None = None) -> Float[Tensor, "h w 3"]:
    """Colours of a signed map: white at 0, straight in OKLab to blue at `-limit`, red at `limit`.

    `limit` is the evidence that gets the full colour, the same on both sides, so that equally
    strong evidence for and against looks equally strong; without it the largest magnitude in the
    map. Evidence beyond the limit is drawn as the limit.

    >>> diverging(torch.tensor([[0.0, 1.0]]))[0].round(decimals=2)
    tensor([[1.0000, 1.0000, 1.0000],
            [0.7900, 0.1900, 0.1500]])
    """
    map = signed(map, limit)
    hue = torch.deg2rad(map.new_tensor([_BLUE, _RED]))
    ends = torch.stack(
        [torch.full_like(hue, _LIGHTNESS - 1), _CHROMA * hue.cos(), _CHROMA * hue.sin()], dim=1
    )
    white = map.new_tensor([1.0, 0.0, 0.0])
    return from_oklab(white + map.abs()[..., None] * ends[(map > 0).long()])


def table(name: str) -> Float[Tensor, "n 3"]:
    """The equally spaced colours of a map, RGB in [0, 1]. Raises `MethodError` for an unknown name.

    >>> table("grey")
    tensor([[0., 0., 0.],
            [1., 1., 1.]])
    """
    if name == DIVERGING:
        raise MethodError(
            f"Expected a colour map for evidence in [0, 1]; came {name!r}, which is for signed"
            " maps. Use `signed_overlay` or `diverging`, or one of:"
            f" {', '.join(map(repr, COLOURS))}."
        )
    if name not in COLOURS:
        raise MethodError(
            f"Expected the name of a colour map; came {name!r}. {near(name, COLOURS)}"
        )
    levels = torch.frombuffer(bytearray.fromhex(COLOURS[name]), dtype=torch.uint8)
    return levels.reshape(-1, 3).to(torch.float32) / 255
