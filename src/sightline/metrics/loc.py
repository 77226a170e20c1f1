"""Loc(delta): how well the map above a threshold fills the boxes, and only them."""

from collections.abc import Sequence

from sightline.metrics.areas import (
    Counts,
    Maps,
    Threshold,
    at,
    counts_above,
    covered,
    min_max,
    space,
)
from sightline.metrics.metric import metric
from sightline.types import Boxes


@metric(
    title="Loc",
    group="localisation",
    higher_is_better=True,
    axis="deltas",
    figures={"Loc(0)": at(0), "Loc(0.25)": at(0.25), "Loc(0.5)": at(0.5)},
    paper="Chattopadhay et al., Grad-CAM++, arXiv:1710.11063v3, eq. 26",
)
def loc(image_map: Maps, boxes: Boxes, *, deltas: Sequence[Threshold] = (0, 0.25, 0.5)) -> Counts:
    r"""Overlap of the map above each threshold with the boxes of its class; mLoc is the mean over
    images.

    $$\mathrm{Loc}(\delta) = \frac{\mathrm{Area}(\text{internal})}
      {\mathrm{Area}(\text{boxes}) + \mathrm{Area}(\text{external})}$$
    where internal and external are the pixels inside and outside the boxes at which the min-max
    scaled map exceeds delta (Grad-CAM++ v3, eq. 26): the intersection over union of the thresholded
    map with the boxes. Areas are counts of pixels whose centres lie inside. Boxes that overlap are
    united (the paper does not say): `[b, k]`, in [0, 1].

    `>` is strict. So delta = 0 takes the whole map but its lowest pixels: what a rectified map
    leaves at zero or, where the least value is positive, the pixels that have it. Delta = 1 takes
    nothing. A constant map, a zero one included, exceeds nothing and scores 0. An image whose boxes
    cover no pixel of the view contributes nan.

    >>> import torch
    >>> image_map = torch.tensor([[[1.0, 0.6, 0.3, 0.0]]])
    >>> loc(image_map, [torch.tensor([[0.0, 0.0, 2.0, 1.0]])], deltas=(0, 0.25, 0.5, 0.75)).tolist()
    [[0.666..., 0.666..., 1.0, 0.5]]
    """
    positions = covered(boxes, image_map)
    internal, external = counts_above(min_max(image_map), deltas, positions)
    area = positions.sum(space(positions)).double().unsqueeze(1)
    return (internal / (area + external)).masked_fill(area == 0, float("nan"))
