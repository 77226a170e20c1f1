"""OKLab: colours as lightness and two hues, in which equal distances look equal.

The straight line between two colours is drawn here and not in sRGB, where its steps look uneven.
Matrices and cube root as published by B. Ottosson, "A perceptual color space for image processing"
(2020); the sRGB curve is IEC 61966-2-1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_CONES_OF_LIGHT = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_OPPONENTS_OF_CONES = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def from_oklab(lab: Float[Tensor, "*s 3"]) -> Float[Tensor, "*s 3"]:
    """(Lightness in [0, 1], green to red, blue to yellow), colours last, as sRGB in [0, 1].

    A colour no screen can show is clipped, channel by channel.

    >>> from_oklab(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).round(decimals=3)
    tensor([[0., 0., 0.],
            [1., 1., 1.]])
    """
    opponents = torch.linalg.inv(lab.new_tensor(_OPPONENTS_OF_CONES, dtype=torch.float64))
    cones = torch.linalg.inv(lab.new_tensor(_CONES_OF_LIGHT, dtype=torch.float64))
    light = ((lab.double() @ opponents.T) ** 3 @ cones.T).clamp(0, 1)
    rgb = torch.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return rgb.clamp(0, 1).float()
