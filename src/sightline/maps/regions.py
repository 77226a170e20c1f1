"""Connected regions of a map and the boxes around them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.errors import ImageError

Box = tuple[int, int, int, int]
"""`(left, top, right, bottom)` in pixels, right and bottom exclusive."""


def boxes_above(one: Tensor, threshold: float, *, largest: bool = True) -> list[Box]:
    """Boxes around regions of a map `[h, w]` above `threshold` times its maximum, largest first.

    Places that touch at a corner belong together. A map that is zero everywhere has no box.

    >>> map = torch.tensor([[1.0, 0.9, 0.0, 0.0], [0.0, 0.0, 0.0, 0.8]])
    >>> boxes_above(map, 0.5), boxes_above(map, 0.5, largest=False)
    ([(0, 0, 2, 1)], [(0, 0, 2, 1), (3, 1, 4, 2)])
    """
    if one.ndim != 2:
        raise ImageError(
            f"Expected a map [h, w] to put boxes around; got the shape {list(one.shape)}. Take a"
            " frame of a clip: boxes_above(maps[0, 5], 0.15). A signal has intervals, not boxes."
        )
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ImageError(
            f"Expected a threshold from 0 to 1, a share of the map's maximum; got {threshold!r}."
            " 0.15 is usual."
        )
    peak = float(one.max())
    if not peak > 0:
        return []
    labels = _label(one > threshold * peak)
    found = []
    for label in torch.unique(labels).tolist():
        if label:
            rows, columns = (labels == label).nonzero(as_tuple=True)
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            found.append((len(rows), box))
    found.sort(key=lambda region: -region[0])
    return [box for _, box in found[:1] if largest] or [box for _, box in found]


def _label(mask: Tensor) -> Tensor:
    """A number for each connected region: its places' largest, spread until nothing changes."""
    numbers = torch.arange(1, mask.numel() + 1, dtype=torch.float64, device=mask.device).reshape(
        mask.shape
    )
    labels = numbers * mask
    while True:
        spread = F.max_pool2d(labels[None, None], 3, stride=1, padding=1)[0, 0] * mask
        if torch.equal(spread, labels):
            return labels.long()
        labels = spread
