"""PxAP: average precision of the map as a detector of the object's pixels."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sightline.errors import DataError
from sightline.metrics.areas import Maps, counts_above, min_max, space
from sightline.metrics.metric import Values, metric, of_column_means

THRESHOLDS = tuple(k / 255 for k in range(256))
"""What a pixel must reach, from 0 (all do) to 1 (only the maximum does): one for each value of an
eight-bit picture.
"""


@of_column_means(weighted=False)
def average_precision(values: Values) -> float:
    r"""The area under the precision-recall curve of all pixels: counts are added, then divided.

    $$\sum_k P_k (R_k - R_{k+1})$$
    from the lowest threshold to the highest, R behind the last is 0: each step of recall has the
    precision at its far end, as in the authors' code.
    """
    kept = values[np.isfinite(values).all(1)]
    if not len(kept):
        return float("nan")
    true, false, total = np.split(kept.sum(0), [len(THRESHOLDS), 2 * len(THRESHOLDS)])
    if not total[0] > 0:
        return float("nan")
    found = true + false
    precision = true / np.where(found > 0, found, 1)
    recall = true / total
    return float((precision * -np.diff(recall, append=0)).sum())


@metric(
    title="PxAP",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    figures={"PxAP": average_precision},
    paper=(
        "Choe et al., Evaluating Weakly Supervised Object Localization Methods Right, CVPR 2020,"
        " arXiv:2001.07437"
    ),
)
def pxap(image_map: Maps, mask: list[Tensor | None]) -> Float[Tensor, "b 513"]:
    r"""Pixels of the object, and others, that reach each threshold; then all pixels of the object.

    $$P_k = \frac{TP_k}{TP_k + FP_k}, \quad R_k = \frac{TP_k}{TP_k + FN_k}, \quad
      \mathrm{PxAP} = \sum_k P_k (R_k - R_{k+1})$$
    on the min-max scaled map, with counts over the whole set: large objects weigh more. An image
    contributes `[b, 513]`: TP at 256 thresholds k / 255, FP at them, TP + FN. A pixel that equals a
    threshold reaches it. The authors' code has 1001 thresholds k / 1000 and leaves out regions to
    be ignored; we have none.

    The figure does not care for the map's scale, only for the order of pixels over all images. A
    map without information gives the objects' share of the pixels, as does a constant one, a zero
    one included: all of it reaches 0 and nothing else. An image without a mask, or whose mask is
    empty in the view, contributes nan.

    >>> row = pxap(torch.tensor([[[1.0, 0.5, 0.0]]]), [torch.tensor([[True, False, True]])])[0]
    >>> row[[0, 100, 255]].tolist(), row[[256, 356, 511]].tolist(), row[512].item()
    ([2.0, 1.0, 1.0], [1.0, 1.0, 0.0], 2.0)
    """
    positions = torch.stack([_mask(one, own) for one, own in zip(image_map, mask, strict=True)])
    true, false = counts_above(min_max(image_map), THRESHOLDS, positions, reaching=True)
    total = positions.sum(space(positions)).double().unsqueeze(1)
    silent = (total == 0) | true[:, :1].isnan()
    return torch.cat([true, false, total], dim=1).masked_fill(silent, float("nan"))


def _mask(one: Tensor, own: Tensor | None) -> Bool[Tensor, "*s"]:
    if own is None:
        return torch.zeros_like(one, dtype=torch.bool)
    if own.shape != one.shape:
        raise DataError(
            f"Expected a mask of the map's size {list(one.shape)}, true where the object is; got"
            f" the shape {list(own.shape)}. Make one number for each place of what the model sees."
        )
    return own.to(one.device).bool()
