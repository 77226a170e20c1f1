"""Coverage: how much of the object the map shows."""

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
    title="Coverage",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    axis="deltas",
    figures={"Coverage(0.25)": at(0.25), "Coverage(0.5)": at(0.5)},
    paper=(
        "sightline's own number for a claim of Chattopadhay et al., Grad-CAM++, WACV 2018,"
        " arXiv:1710.11063"
    ),
)
def coverage(
    image_map: Maps, boxes: Boxes, *, deltas: Sequence[Threshold] = (0, 0.25, 0.5)
) -> Counts:
    r"""Share of the boxes' area where the map exceeds each threshold: does it show the whole
    object, or a part?

    $$\mathrm{Area}(\text{internal}) / \mathrm{Area}(\text{boxes})$$
    with the areas of Loc(delta): pixels of the min-max scaled map above delta, strictly; boxes that
    overlap united. It is the recall of which Loc is the intersection over union, and `[b, k]` in
    [0, 1]. A map that is high everywhere covers everything: read it beside Loc, which also counts
    what lies outside. A box holds background too, so 100 % is no aim.

    A constant map, a zero one included, exceeds nothing and covers 0. An image whose boxes cover no
    pixel of the view contributes nan.

    >>> import torch
    >>> image_map = torch.tensor([[[1.0, 0.6, 0.3, 0.0]]])
    >>> coverage(
    ...     image_map, [torch.tensor([[0.0, 0.0, 4.0, 1.0]])], deltas=(0, 0.25, 0.5, 0.75)
    ... ).tolist()
    [[0.75, 0.75, 0.5, 0.25]]
    """
    positions = covered(boxes, image_map)
    internal, _ = counts_above(min_max(image_map), deltas, positions)
    area = positions.sum(space(positions)).double().unsqueeze(1)
    return (internal / area).masked_fill(area == 0, float("nan"))
