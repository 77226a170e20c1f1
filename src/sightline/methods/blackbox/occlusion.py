"""Occlusion: what it costs to cover a place (Zeiler and Fergus 2014)."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.maps import occlusion_map, patches
from sightline.methods.blackbox.query import Query, check_options
from sightline.types import Map, Scores


def occlusion(
    shown: Query,
    scores: Scores,
    size: Sequence[int],
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: str = "zero",
    probability: bool = False,
    at_once: int = 16,
) -> Map:
    r"""Cover the picture window by window, and see how far the score drops (Zeiler and Fergus 2014,
    section 4.2).

    $$L_p = \frac{1}{|\{w \ni p\}|} \sum_{w \ni p} \bigl( f(x) - f(x_{\setminus w}) \bigr)$$

    f is the score explained, `x without w` the picture with the window w covered. The paper draws
    the drop at each position of the window; here a pixel gets the mean over the windows that lie
    over it, so that the map has the picture's size. The paper's f is the class's probability:
    `probability=True`.

    `window` and `stride` are pixels along every axis. Left out, the window is a seventh of the
    longest axis and the stride half a window: 13 x 13 runs for a square picture. Where the last
    step leaves a rim, one more window ends at the border. A window longer than an axis covers all
    of it. `fill` and `at_once`: see `Query`; `fill="zero"` is the paper's grey square on normalised
    pictures.

    `scores` `[r]` of the whole picture, `size` the picture's. Returns `[r, *size]`, signed; the
    unit is the score's.

    >>> weights, picture = torch.tensor([1.0, -2.0, 4.0]), torch.tensor([3.0, 1.0, 1.0])
    >>> see = lambda masks, **_: (masks * picture * weights).sum(2)  # a linear model
    >>> occlusion(see, torch.tensor([5.0]), [3], window=1, stride=1)  # weight times pixel
    tensor([[ 3., -2.,  4.]], dtype=torch.float64)
    """
    window = ceil(max(size) / 7) if window is None else window
    check_options(fill=fill, at_once=at_once, window=window)
    stride = max(1, window // 2) if stride is None else stride
    check_options(fill=fill, at_once=at_once, stride=stride)
    if stride > window:
        raise MethodError(
            f"Expected windows no further apart than they are long; got window={window},"
            f" stride={stride}: some pixels would never be covered. Take a stride of half a window."
        )
    known: dict[str, Any] = {"fill": fill, "probability": probability, "at_once": at_once}
    nothing = torch.ones(1, 1, *size, dtype=torch.float32, device="cpu")  # is hidden
    whole = scores.double().cpu() if not probability else shown(nothing, **known)[0]
    where = patches(size, window, stride)
    drops: list[Tensor] = []
    for start in range(0, len(where), at_once):
        some = where[start : start + at_once]
        masks = nothing.repeat(len(some), *[1] * (1 + len(size)))
        for mask, place in zip(masks, some, strict=True):
            mask[0][place] = 0
        drops += list(whole - shown(masks, **known))
    return occlusion_map(drops, where, size)
