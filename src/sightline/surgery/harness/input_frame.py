"""What the layers see of the picture: torchvision's detectors resize and pad it inside the model.

`GeneralizedRCNNTransform` brings each picture to a size of its own and pads the batch at the right
and at the bottom until its sides can be divided by 32. A layer's grid then lies over the padded
picture, and only its left upper part over the user's. Where the part ends need not be the border of
a place.
"""

from dataclasses import dataclass

import torch
from torch import nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.grids import Shape, fits


@dataclass(frozen=True)
class Frame:
    """The shape `[b, c, *s]` that the layers see, and how much of it is image.

    `shares` is the part of each axis, from its start; None: all of it.
    """

    images: Shape
    shares: tuple[float, ...] | None = None


def framed(model: nn.Module, shape: Shape, seen: Shape | None = None) -> Frame:
    """The frame of a model for images of the shape `[b, c, *s]`; mostly the images themselves.

    A model's own transform is asked, with tensors that have a shape and no numbers. Where there is
    none, and the first convolution has `seen` the image in other proportions, it was stretched to
    these, and every grid lies over what was seen.

    >>> framed(nn.Conv2d(3, 1, 1), (2, 3, 8, 9))
    Frame(images=(2, 3, 8, 9), shares=None)
    >>> framed(nn.Conv2d(3, 1, 1), (2, 3, 80, 120), (64, 64)).images
    (2, 3, 64, 64)
    """
    transform = _transform(model)
    if transform is None or len(shape) != 4:
        stretched = seen is not None and not (fits(seen, shape[2:]) or fits(shape[2:], seen))
        return Frame((*shape[:2], *seen)) if seen is not None and stretched else Frame(shape)
    with guard.untouched(transform), torch.no_grad():
        listed, _ = transform([torch.empty(shape[1:], device="meta", dtype=torch.float32)])
    padded = tuple(listed.tensors.shape[2:])
    inner = tuple(listed.image_sizes[0])
    return Frame(
        (shape[0], shape[1], *padded), tuple(i / p for i, p in zip(inner, padded, strict=True))
    )


def _transform(model: nn.Module) -> nn.Module | None:
    """torchvision's transform, in the model or in what it wraps.

    Known by its name: torchvision need not be there.
    """
    for holder in (model, *model.children()):
        inner = holder._modules.get("transform")
        if inner is not None and any(
            kind.__name__ == "GeneralizedRCNNTransform" for kind in type(inner).__mro__
        ):
            return inner
    return None
