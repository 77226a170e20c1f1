"""Maps that explain nothing.

A metric that likes one of them as much as a method measures something else.

Each takes the pictures in the model's space `[b, c, *s]` and a generator of random numbers for
each, and returns maps `[b, *s]` in [0, 1] on their grid.
"""

from collections.abc import Callable, Sequence

import torch

from sightline.maps.upsample import enlarged
from sightline.tensors import over_maximum
from sightline.types import ImageMap, Images

Generators = Sequence[torch.Generator]


def fake_cam(images: Images, generators: Generators) -> ImageMap:
    """One everywhere but in the first pixel (FakeCAM, Poppi et al. 2021).

    It loses next to no confidence.

    >>> fake_cam(torch.zeros(1, 3, 2, 2), [])[0].tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    """
    maps = torch.ones(images.shape[0], *images.shape[2:], dtype=images.dtype, device=images.device)
    maps.flatten(1)[:, 0] = 0
    return maps


def random_map(images: Images, generators: Generators) -> ImageMap:
    """Uniform noise on a grid of 7 along each axis, enlarged as a layer's map would be.

    Each image has its own.
    """
    grid = (7,) * (images.ndim - 2)
    drawn = [
        torch.rand(grid, generator=one, dtype=torch.float32, device="cpu") for one in generators
    ]
    coarse = torch.stack(drawn).to(images)
    return over_maximum(enlarged(coarse, images.shape[2:]))


def centre(images: Images, generators: Generators) -> ImageMap:
    """A Gaussian in the middle, its standard deviation a quarter of each side.

    Most photographers put the object there.

    >>> centre(torch.zeros(1, 3, 1, 4), []).flatten()
    tensor([0.3679, 1.0000, 1.0000, 0.3679])
    """
    total = torch.zeros(images.shape[2:], dtype=images.dtype, device=images.device)
    for axis, side in enumerate(images.shape[2:]):
        places = (torch.arange(side, dtype=images.dtype, device=images.device) + 0.5) / side - 0.5
        total = (
            total + (places / 0.25).square().view(-1, *[1] * (len(images.shape[2:]) - 1 - axis)) / 2
        )
    one = (-total).exp()
    return (one / one.max()).expand(images.shape[0], *one.shape)


def edge(images: Images, generators: Generators) -> ImageMap:
    """The length of the picture's own gradient (central differences): edges, whatever the class."""
    total = torch.zeros_like(images[:, 0])
    for axis in range(2, images.ndim):
        if images.shape[axis] > 1:
            (slope,) = torch.gradient(images, dim=axis)
            total = total + slope.square().sum(1)
    return over_maximum(total.sqrt())


CONTROLS: dict[str, Callable[[Images, Generators], ImageMap]] = {
    "fake_cam": fake_cam,
    "random": random_map,
    "centre": centre,
    "edge": edge,
}
