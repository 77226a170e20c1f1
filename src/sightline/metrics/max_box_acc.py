"""MaxBoxAcc: the share of right boxes at the best of all thresholds."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.areas import Maps, Rectangles, in_view, min_max, overlaps, regions
from sightline.metrics.metric import Values, metric
from sightline.types import Boxes

THRESHOLDS = np.arange(100) / 100
"""0.00, 0.01, ..., 0.99: shares of the maximum. The first half of a row is about the largest
region's box, the second about the best of all regions' boxes."""


def max_box_acc_v1(values: Values) -> float:
    """The largest share of images, over thresholds, whose largest region's box overlaps by half."""
    kept = _finite_rows(values)
    return float((kept[:, : len(THRESHOLDS)] >= 0.5).mean(0).max()) if len(kept) else float("nan")


def max_box_acc_v2(values: Values) -> float:
    """The same with the best of all regions' boxes, averaged over overlaps of 0.3, 0.5 and 0.7."""
    kept = _finite_rows(values)
    if not len(kept):
        return float("nan")
    return float(
        np.mean([(kept[:, len(THRESHOLDS) :] >= iou).mean(0).max() for iou in (0.3, 0.5, 0.7)])
    )


def _finite_rows(values: Values) -> Float[np.ndarray, "m k"]:
    kept: Float[np.ndarray, "m k"] = values[np.isfinite(values).all(1)]
    return kept


@metric(
    title="MaxBoxAcc",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    figures={"MaxBoxAcc": max_box_acc_v1, "MaxBoxAccV2": max_box_acc_v2},
    paper=(
        "Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020,"
        " arXiv:2001.07437"
    ),
)
def max_box_acc(image_map: Maps, boxes: Boxes) -> Float[Tensor, "b 200"]:
    r"""How well boxes drawn from the map fit the nearest true one, at each of a hundred thresholds.

    $$\mathrm{MaxBoxAcc}(\delta) = \max_\tau \frac{1}{N} \sum_n
      [\, \mathrm{IoU}(\mathrm{box}(L_n > \tau), B_n) \ge \delta \,]$$
    on the min-max scaled map, tau = 0.00 ... 0.99, the best over an image's true boxes. An image
    contributes the overlaps with the largest region's box (V1, delta = 0.5), then the best overlap
    of any region's box (V2, the mean of delta = 0.3, 0.5, 0.7): `[b, 200]`, in [0, 1]. The
    threshold is chosen on the set itself: it says what the map allows, not what a user gets who
    must choose beforehand.

    Places that touch at a corner are one region, as in the authors' code (OpenCV's contours). It
    differs in small ways: it rounds maps to 256 values and true boxes to whole pixels; a region's
    area is its outline's polygon, holes included (here: its number of pixels); V2 also tries boxes
    around holes; right and bottom edges count as inside; its usual grid is ten times finer. `>` is
    strict; of equally large regions the first in reading order is taken. True boxes are cut at the
    view's edges. A constant map, a zero one included, has no region and overlaps by 0. An image
    without a true box in the view contributes nan.

    >>> row = max_box_acc(
    ...     torch.tensor([[[1.0, 0.5, 0.0, 0.8]]]), [torch.tensor([[3.0, 0.0, 4.0, 1.0]])]
    ... )[0]
    >>> [round(row[k].item(), 2) for k in (0, 60, 90, 100, 160, 190)]
    [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """
    scaled = min_max(image_map)
    rows = [
        _fits(one.detach().cpu().numpy(), in_view(own, *one.shape))
        for one, own in zip(scaled, boxes, strict=True)
    ]
    both = 2 * len(THRESHOLDS)
    return torch.from_numpy(np.stack(rows)).reshape(-1, both).to(scaled.device)


def _fits(one: Float[np.ndarray, "*s"], true: Rectangles) -> Float[np.ndarray, "2 t"]:
    """What exceeds a threshold lies in the box around what exceeds a lower one: search narrows."""
    fits = np.zeros((2, len(THRESHOLDS)))
    if not len(true) or np.isnan(one).any():
        return fits + np.nan
    axes, corner = one.ndim, np.zeros(one.ndim)
    for k, threshold in enumerate(THRESHOLDS):
        found, sizes = regions(one > threshold)
        if not len(found):
            break
        begin, end = found[:, :axes].min(0).astype(int), found[:, axes:].max(0).astype(int)
        best = overlaps(found + np.tile(corner, 2), true).max(1)
        fits[:, k] = best[sizes.argmax()], best.max()
        # boxes name the last axis first, arrays last
        one, corner = one[tuple(map(slice, begin[::-1], end[::-1]))], corner + begin
    return fits
