"""The pointing game: does the map's maximum point at the object?"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from sightline.metrics.areas import Maps, covered
from sightline.metrics.metric import Values, mean, metric
from sightline.types import Boxes


def over_classes(values: Values, classes: Int[np.ndarray, " n"]) -> float:
    """Hits / (hits + misses) of each class, averaged over the classes that have any.

    >>> over_classes(np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 9]))
    0.5
    """
    kept = np.isfinite(values)
    _, which = np.unique(classes[kept], return_inverse=True)
    return mean(np.bincount(which, values[kept]) / np.bincount(which))


@metric(
    title="Pointing game",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    figures={"Pointing game": over_classes, "Pointing game over images": mean},
    paper="Zhang et al., Excitation Backprop, IJCV 2018, arXiv:1608.00507",
)
def pointing_game(
    image_map: Maps, boxes: Boxes, *, tolerance: int | float = 15
) -> Float[Tensor, " b"]:
    r"""Does the map's maximum lie in a box of its class? 1 for a hit, 0 for a miss; accuracy is
    averaged over classes.

    $$\mathrm{Acc} = \mathrm{hits} / (\mathrm{hits} + \mathrm{misses})$$
    A hit is a maximum on a pixel of the boxes or less than `tolerance` pixels away from one, as
    TorchRay counts it: Euclidean distance between pixels, strictly less, so that a tolerance of 15
    reaches 14.99; with 0 only the boxes themselves are left. TorchRay measures it in the
    photograph's pixels, this in the view's. The figure is averaged over the classes.

    Of several equal maxima the first in reading order points. A map that is zero everywhere points
    nowhere and misses: it had an object to find. An image whose boxes cover no pixel contributes
    nan. Boxes may overlap.

    >>> image_map, boxes = (
    ...     torch.tensor([[[0.0, 0.2, 0.0, 1.0]]]),
    ...     [torch.tensor([[0.0, 0.0, 2.0, 1.0]])],
    ... )
    >>> [pointing_game(image_map, boxes, tolerance=t).item() for t in (0, 2, 2.1)]
    [0.0, 0.0, 1.0]
    """
    positions = covered(boxes, image_map)
    rows = torch.full((len(image_map),), float("nan"), dtype=torch.float64, device=image_map.device)
    for k, (one, own) in enumerate(zip(image_map, positions, strict=True)):
        if own.any() and not one.isnan().any():
            rows[k] = one.max() > 0 and _near(int(one.argmax()), own, tolerance)
    return rows


def _near(pixel: int, positions: Tensor, tolerance: int | float) -> bool:
    here = torch.tensor(np.unravel_index(pixel, positions.shape), device=positions.device)
    nearest = int((positions.nonzero() - here).square().sum(1).min())
    return nearest == 0 or nearest < tolerance**2
