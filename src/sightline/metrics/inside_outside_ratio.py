"""Inside over outside: how much brighter the map is in the boxes than around them."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.areas import Maps, covered, space
from sightline.metrics.metric import Values, mean, metric
from sightline.types import Boxes


def median(values: Values) -> float:
    """The median of the rows that say something, infinite ones included; nan where none does.

    >>> median(np.array([1.0, 3.0, np.inf, np.nan]))
    3.0
    """
    kept = np.sort(values[~np.isnan(values)])
    if not kept.size:
        return float("nan")
    low, high = kept[(kept.size - 1) // 2], kept[kept.size // 2]
    return float(low if low == high else (low + high) / 2)  # inf is its own mean


@metric(
    title="Inside / outside",
    group="localisation",
    higher_is_better=True,
    figures={"Inside / outside": mean, "Inside / outside, median": median},
    paper=(
        "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 8.1 (dense captioning)"
    ),
)
def inside_outside_ratio(image_map: Maps, boxes: Boxes) -> Float[Tensor, " b"]:
    r"""Mean of the map inside the boxes over its mean outside them.

    $$\frac{1}{|B|} \sum_{p \in B} L_p \Big/ \frac{1}{|\bar B|} \sum_{p \notin B} L_p$$
    with B the union of the boxes, on the map as it is. From 0 up; a uniform map gives 1. Grad-CAM
    reports 3.27 +- 0.18 on DenseCap's regions.

    Where the map is zero everywhere outside the ratio is infinite: the mean leaves it out, which is
    unfair to the better map, and the median does not. Contributes nan: a zero map, boxes that cover
    no pixel, boxes that cover all.

    >>> import torch
    >>> inside_outside_ratio(
    ...     torch.tensor([[[1.0, 0.5, 0.5, 0.0]]]), [torch.tensor([[0.0, 0.0, 2.0, 1.0]])]
    ... ).tolist()
    [3.0]
    """
    positions, energy = covered(boxes, image_map), image_map.double()
    axes = space(energy)
    inside = (energy * positions).sum(axes) / positions.sum(axes)
    outside = (energy * ~positions).sum(axes) / (~positions).sum(axes)
    return inside / outside  # 0 / 0 is nan: nothing inside, nothing outside, or no energy
