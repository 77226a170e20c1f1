"""Instance recall: how many of the class's objects the map shows."""

from collections.abc import Sequence

import torch

from sightline.metrics.areas import Counts, Maps, Threshold, at, min_max, spans
from sightline.metrics.metric import metric
from sightline.types import Boxes


@metric(
    title="Instance recall",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    axis="deltas",
    figures={"Instance recall(0.25)": at(0.25), "Instance recall(0.5)": at(0.5)},
    paper=(
        "sightline's own number for a claim of Chattopadhay et al., Grad-CAM++, WACV 2018,"
        " arXiv:1710.11063"
    ),
)
def instance_recall(
    image_map: Maps, boxes: Boxes, *, deltas: Sequence[Threshold] = (0, 0.25, 0.5)
) -> Counts:
    r"""Share of the boxes of the class in which the map exceeds each threshold somewhere: are all
    objects shown?

    $$\frac{1}{n} \sum_{i=1}^{n} \left[\, \max_{p \in \mathrm{box}_i} L_p > \delta \,\right]$$
    with L the min-max scaled map, so that a place above delta is the same place as in Loc(delta).
    `[b, k]`, in [0, 1]; the mean is over images, so a crowd counts no more than a pair. Images with
    one object say little: look at those that have several.

    `>` is strict: at 0 a box is hit when the map leaves its minimum there. Boxes count one by one,
    overlapping ones too, and a place that two share hits both; a box that covers no pixel of the
    view is left out, and an image without any other contributes nan. A constant map, a zero one
    included, hits nothing.

    >>> image_map = torch.tensor([[[1.0, 0.0, 0.0, 0.3]]])
    >>> instance_recall(
    ...     image_map, [torch.tensor([[0.0, 0.0, 2.0, 1.0], [2.0, 0.0, 4.0, 1.0]])]
    ... ).tolist()
    [[1.0, 1.0, 0.5]]
    """
    scaled = min_max(image_map)
    thresholds = torch.tensor(deltas, dtype=torch.float64, device=scaled.device)
    rows = torch.full(
        (len(scaled), len(deltas)), float("nan"), dtype=torch.float64, device=scaled.device
    )
    for row, one, own in zip(rows, scaled, boxes, strict=True):
        found = spans(own, *one.shape)
        if found and not one.isnan().any():
            peaks = torch.stack([one[place].max() for place in found])
            row[:] = (peaks.unsqueeze(1) > thresholds).double().mean(0)
    return rows
