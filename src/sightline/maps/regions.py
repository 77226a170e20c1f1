"""Connected regions of a map and the boxes around them."""

from torch import Tensor

from sightline.errors import ImageError
from sightline.tensors import label_regions

Box = tuple[int, int, int, int]
"""`(left, top, right, bottom)` in pixels, right and bottom exclusive."""


def boxes_above(one: Tensor, threshold: float, *, largest: bool = True) -> list[Box]:
    """Boxes around regions of a map `[h, w]` above `threshold` times its maximum, largest first.

    Places that touch at a corner belong together. A map that is zero everywhere has no box.

    >>> import torch
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
    labels = label_regions(one > threshold * peak)
    found = []
    for label in range(1, int(labels.max()) + 1):
        rows, columns = (labels == label).nonzero(as_tuple=True)
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        last = int(rows[-1]), int(columns[-1])  # of equally large ones the first to end
        found.append((-len(rows), last, box))
    boxes = [box for *_, box in sorted(found)]
    return boxes[:1] if largest else boxes
