"""The parts of a picture that are switched on and off: superpixels, or a regular grid of cells."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.errors import MethodError, install_advice, near

KINDS = ("slic", "grid")

Segments = Int[Tensor, "#b *s"]
"""For each pixel the number of its segment, from 0 on without a gap."""


def segmented(
    pictures: Float[Tensor, "b c h w"] | None, size: Sequence[int], cells: int, kind: str | None
) -> tuple[Segments, str]:
    """The segments of each picture `[b, *size]` (of all alike `[1, *size]`), and what they are.

    `"slic"`: superpixels (Achanta et al. 2012) of the pixels in [0, 1], by scikit-image, about
    `cells` squared of them; `"grid"`: `cells` along each axis. None takes superpixels of pictures
    where scikit-image is installed and finds `cells` of them at least, else the grid. Raises
    `MethodError` where superpixels are asked for and cannot be had.

    >>> segmented(None, [2, 5], 2, None)
    (tensor([[[0, 0, 0, 1, 1],
              [2, 2, 2, 3, 3]]]), 'cells of a grid')
    """
    if kind not in (None, *KINDS):
        raise MethodError(
            f"Expected a kind of segments; came segments={kind!r}. {near(str(kind), KINDS)}"
        )
    if kind == "slic" and pictures is None:
        raise MethodError(
            "Expected pictures [b, 3, h, w] for superpixels; the input is none. Take"
            " segments='grid'."
        )
    if kind != "grid" and pictures is not None:
        try:
            from skimage.segmentation import slic
        except ImportError as error:
            if kind == "slic":
                raise MethodError(
                    "Expected scikit-image for superpixels; it is not installed. Take"
                    f" segments='grid', or get it. {install_advice('demo')}"
                ) from error
        else:
            if not pictures.isfinite().all():
                return grid(size, cells).unsqueeze(0), "cells of a grid (a picture is not finite)"
            found = []
            for picture in pictures.detach().double().cpu().permute(0, 2, 3, 1).numpy():
                coloured = picture.shape[-1] == 3
                numbers = slic(
                    picture if coloured else picture[..., 0],
                    n_segments=cells**2,
                    compactness=10 if coloured else 0.1,
                    channel_axis=-1 if coloured else None,
                )
                found.append(torch.from_numpy(numbers).unique(return_inverse=True)[1])
            fewest = min(int(one.max()) + 1 for one in found)
            if fewest >= cells:
                return torch.stack(found), "superpixels (SLIC)"
            if kind == "slic":
                raise MethodError(
                    f"Expected pictures with parts; SLIC finds {fewest} superpixels in one. Take"
                    " segments='grid'."
                )
            return (
                grid(size, cells).unsqueeze(0),
                f"cells of a grid (SLIC finds {fewest} superpixels)",
            )
    return grid(size, cells).unsqueeze(0), "cells of a grid"


def grid(size: Sequence[int], cells: int) -> Tensor:
    """Cells `[*size]` as equal as whole pixels allow, numbered in the order of reading.

    A pixel belongs to one cell.
    """
    numbers = torch.zeros(*size, dtype=torch.long, device="cpu")
    for axis, side in enumerate(size):
        count = min(cells, side)
        place = torch.arange(side, device="cpu") * count // side
        numbers = numbers * count + place.view(-1, *[1] * (len(size) - axis - 1))
    return numbers
