"""ILSVRC's localisation error: is the box around the map's largest region the object's?"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.metrics.areas import Maps, Rectangles, in_view, overlaps, regions
from sightline.metrics.metric import Summary, Values, mean, metric, of_column_means
from sightline.types import Boxes


def _column(k: int) -> Summary:
    @of_column_means(weighted=True)
    def figure(values: Values) -> float:
        return mean(values[:, k])

    return figure


@metric(
    title="Localisation error",
    group="localisation",
    higher_is_better=False,
    unit="%",
    scale=100,
    figures={"top-1": _column(0), "top-5": _column(1), "GT-known": _column(2)},
    paper=(
        "Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 4.1; Russakovsky et"
        " al., ILSVRC, 2015"
    ),
)
def localisation_error(
    given_map: Maps,
    given_boxes: Boxes,
    rank: Int[Tensor, " b"],
    *,
    box_threshold: int | float = 0.15,
) -> Float[Tensor, "b 3"]:
    r"""1 where a box drawn from the map of the given class is wrong, 0 where it is right: top-1,
    top-5, GT-known.

    $$1 - [\, \mathrm{IoU}(\text{box}, \text{a true box}) \ge 0.5 \,]\,[\, \mathrm{rank} < k \,]$$
    with k = 1, 5 and, for GT-known, no condition on the rank. The box is drawn around the largest
    connected region where the map of the given class exceeds `box_threshold` times its maximum
    (Grad-CAM, section 4.1: 15 %). ILSVRC allows five classes with a box each, and asks that one has
    the right class and overlaps: that is the given class's own map if the class is among the five.
    `rank` is its place among the model's predictions, from 0; -1 for unknown: only GT-known then.

    `>` is strict. Places that touch at a corner belong together; of equally large regions the first
    in reading order is taken. Right and bottom edges are exclusive, and true boxes are cut at the
    view's edges: the map cannot go beyond. A zero map has no box and is wrong. An image without a
    true box in the view contributes nan.

    >>> given_map = torch.tensor([[[1.0, 0.8, 0.1, 0.9]]])
    >>> localisation_error(
    ...     given_map, [torch.tensor([[0.0, 0.0, 3.0, 1.0]])], torch.tensor([3])
    ... ).tolist()
    [[1.0, 0.0, 0.0]]
    """
    known = [int(place) for place in rank]
    rows = [
        _errors(one.detach().double().cpu().numpy(), in_view(own, *one.shape), place, box_threshold)
        for one, own, place in zip(given_map, given_boxes, known, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.float64, device=given_map.device).reshape(-1, 3)


def _errors(
    one: Float[np.ndarray, "*s"], true: Rectangles, rank: int, threshold: int | float
) -> list[float]:
    nothing = float("nan")
    if not len(true) or np.isnan(one).any():
        return [nothing] * 3
    wrong = True
    if one.max() > 0:
        found, sizes = regions(one > threshold * one.max())
        if len(found):
            wrong = not overlaps(found[[sizes.argmax()]], true).max() >= 0.5
    ranked = [nothing if rank < 0 else float(wrong or rank >= k) for k in (1, 5)]
    return [*ranked, float(wrong)]
