"""What the localisation metrics share: pixels in boxes and above thresholds, and regions."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sightline import tensors
from sightline.errors import DataError
from sightline.metrics.metric import Summary, Values, mean, of_column_means
from sightline.tensors import iou, label_regions
from sightline.types import Boxes

Maps = Float[Tensor, "b *s"]
"""Image maps: in [0, 1], the maximum 1 unless a map is zero everywhere."""

Positions = Bool[Tensor, "b *s"]
"""Some of their pixels."""

Counts = Float[Tensor, "b k"]
"""For each image a number at each of `k` thresholds. In float64, which holds counts exactly."""

Rectangles = Float[np.ndarray, "n k"]
"""Left, top, right, bottom; right and bottom exclusive, so that an area is (right - left)(bottom -
top). In other spaces as in `types.Boxes`.
"""

Threshold = int | float


def spans(boxes: Tensor, *size: int) -> list[tuple[slice, ...]]:
    """The rows and columns of each box `[n, 4]`: those whose centres lie in it and in the view.

    Pixel (row r, column c) has its centre at (c + 0.5, r + 0.5); left and top edges belong to a
    box, right and bottom ones do not. A box that covers no pixel, because it is too small or
    outside the view, is left out.

    >>> spans(torch.tensor([[0.5, -9.0, 2.5, 1.0], [0.6, 0.0, 1.4, 1.0]]), 4, 4)
    [(slice(0, 1, None), slice(0, 2, None))]
    >>> spans(torch.tensor([[0.5, 2.5]]), 9)  # of a signal
    [(slice(0, 2, None),)]
    """
    most = torch.tensor(size[::-1] * 2, dtype=torch.float64, device="cpu")
    edges = (_edges(boxes, len(size)) - 0.5).ceil().clamp(min=torch.zeros_like(most), max=most)
    found = []
    for one in edges.long().tolist():
        begins, ends = one[: len(size)][::-1], one[len(size) :][::-1]
        if all(begin < end for begin, end in zip(begins, ends, strict=True)):
            found.append(tuple(map(slice, begins, ends)))
    return found


def covered(boxes: Boxes, like: Maps) -> Positions:
    """The union of each image's boxes in pixels, on the maps' grid; nothing is counted twice.

    >>> covered(
    ...     [torch.tensor([[0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 3.0, 1.0]])], torch.zeros(1, 1, 4)
    ... ).tolist()
    [[[True, True, True, False]]]
    """
    positions = torch.zeros(like.shape, dtype=torch.bool, device=like.device)
    for one, own in zip(positions, boxes, strict=True):
        for place in spans(own, *one.shape):
            one[place] = True
    return positions


def in_view(boxes: Tensor, *size: int) -> Rectangles:
    """Boxes cut at the edges of the view; those of which no area is left are dropped.

    >>> in_view(torch.tensor([[-2.0, 1.0, 3.0, 9.0], [5.0, 0.0, 7.0, 2.0]]), 4, 4).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    axes = len(size)
    cut = _edges(boxes, axes).numpy().clip(0, size[::-1] * 2)
    kept: Rectangles = cut[(cut[:, :axes] < cut[:, axes:]).all(1)]
    return kept


def space(maps: Float[Tensor, "b *s"] | Positions) -> tuple[int, ...]:
    """The axes along which a map has its places: all but the first.

    >>> space(torch.zeros(2, 4, 5))
    (1, 2)
    """
    return tuple(range(1, maps.ndim))


def min_max(maps: Maps) -> Maps:
    """Each map from 0 at its minimum to 1 at its maximum, in float64; a constant map becomes zero.

    >>> min_max(torch.tensor([[[0.5, 0.75, 1.0]], [[1.0, 1.0, 1.0]]])).tolist()
    [[[0.0, 0.5, 1.0]], [[0.0, 0.0, 0.0]]]
    """
    return tensors.min_max(maps.double())


def counts_above(
    maps: Maps, thresholds: Sequence[Threshold], positions: Positions, *, reaching: bool = False
) -> tuple[Counts, Counts]:
    """How many of `positions`, and how many other pixels, exceed (`reaching`: reach) a threshold.

    One pass over the pixels, however many thresholds. A map with a nan counts nan.

    >>> maps, positions = torch.tensor([[[0.0, 0.5, 1.0]]]), torch.tensor([[[True, True, False]]])
    >>> [counts.tolist() for counts in counts_above(maps, (0.0, 0.5), positions)]
    [[[1.0, 0.0]], [[1.0, 1.0]]]
    >>> [counts.tolist() for counts in counts_above(maps, (0.0, 0.5), positions, reaching=True)]
    [[[2.0, 1.0]], [[1.0, 1.0]]]
    """
    bins = len(thresholds) + 1
    order = sorted(range(len(thresholds)), key=lambda k: thresholds[k])
    edges = torch.tensor([thresholds[k] for k in order], dtype=torch.float64, device=maps.device)
    met = torch.bucketize(
        maps.double().contiguous(), edges, right=reaching, out_int32=True
    )  # thresholds it is above
    met.add_(positions, alpha=bins)
    exactly = torch.stack([torch.bincount(one, minlength=2 * bins) for one in met.flatten(1)]).view(
        -1, 2, bins
    )
    at_least = exactly.flip(2).cumsum(2).flip(2)[:, :, 1:].double()
    at_least[maps.flatten(1).amax(1).isnan()] = float("nan")
    result = torch.empty_like(at_least)
    result[:, :, order] = at_least
    return result[:, 1], result[:, 0]


def at(delta: Threshold) -> Summary:
    """The mean at one threshold of the protocol's `deltas`; nan if it is not on the grid.

    >>> at(0.5)(values=np.array([[0.9, 0.2], [0.7, 0.4]]), deltas=(0, 0.5))
    0.3...
    """

    @of_column_means(weighted=True)
    def figure(values: Values, deltas: Sequence[Threshold]) -> float:
        return mean(values[:, list(deltas).index(delta)]) if delta in deltas else float("nan")

    return figure


def regions(mask: Bool[np.ndarray, "*s"]) -> tuple[Rectangles, Int[np.ndarray, " n"]]:
    """Boxes around the connected regions of a mask and their sizes, by their first pixels.

    Places that touch at a corner belong together, as in OpenCV's contours.

    >>> [
    ...     found.tolist()
    ...     for found in regions(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool))
    ... ]
    [[[0.0, 0.0, 2.0, 2.0], [0.0, 3.0, 1.0, 4.0]], [2, 1]]
    """
    from scipy import ndimage

    labels = label_regions(torch.from_numpy(mask)).numpy()
    edges = [
        [*(along.start for along in place[::-1]), *(along.stop for along in place[::-1])]
        for place in ndimage.find_objects(labels)
    ]
    sizes = np.bincount(labels.ravel())[1:]
    return np.array(edges, dtype=np.float64).reshape(-1, 2 * mask.ndim), sizes


def overlaps(
    found: Float[np.ndarray, "n k"], true: Float[np.ndarray, "m k"]
) -> Float[np.ndarray, "n m"]:
    """Intersection over union of each found box with each true one, `[n, m]`; both have an area.

    >>> overlaps(
    ...     np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 2.0, 1.0], [1.0, 1.0, 3.0, 3.0]])
    ... ).tolist()
    [[0.5, 0.14285714285714285]]
    """
    result: Float[np.ndarray, "n m"] = iou(torch.from_numpy(found), torch.from_numpy(true)).numpy()
    return result


def box_words(axes: int) -> str:
    """What the numbers of a box are, in a space of so many axes.

    >>> box_words(1), box_words(3)
    ('[start, end]', '[left, top, front, right, bottom, back]')
    """
    known = ("start", "end"), ("left", "right"), ("top", "bottom"), ("front", "back")
    if axes > 3:
        return f"of {2 * axes} numbers (where it begins along each axis, the last first; then ends)"
    some = known[:1] if axes == 1 else known[1 : axes + 1]
    return f"[{', '.join([low for low, _ in some] + [high for _, high in some])}]"


def misshapen(boxes: Tensor, axes: int) -> str | None:
    """What is wrong with boxes that are none in a space of so many axes; None where they are."""
    if not boxes.numel() or boxes.shape[-1] == 2 * axes:
        return None
    return (
        f"Expected boxes {box_words(axes)}, one a row, where a map has {axes}"
        f" {'axis' if axes == 1 else 'axes'}; got the shape {list(boxes.shape)}. Say where a box"
        " begins along each axis, the last axis first, then where it ends."
    )


def _edges(boxes: Tensor, axes: int) -> Float[Tensor, "n k"]:
    """Boxes in float64 on the CPU, a row each. Raises `DataError` for those of another space."""
    if (fault := misshapen(boxes, axes)) is not None:
        raise DataError(fault)
    return boxes.detach().cpu().double().reshape(-1, 2 * axes)
