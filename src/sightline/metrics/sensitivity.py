"""Sensitivity: how much the map moves when the image hardly does."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import Values, mean, metric
from sightline.types import ImageMap


def largest(values: Values) -> float:
    """The mean over the images of each one's largest change.

    >>> largest(np.array([[0.1, 0.5], [0.2, 0.3], [np.nan, np.nan]]))
    0.4
    """
    kept = values[np.isfinite(values).all(axis=1)]
    return mean(kept.max(axis=1)) if kept.size else float("nan")


@metric(
    title="Sensitivity",
    group="sanity",
    higher_is_better=False,
    figures={"Sensitivity (max)": largest, "Sensitivity (mean)": mean},
    paper=(
        "Yeh et al., On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019,"
        " arXiv:1901.09392"
    ),
)
def sensitivity(image_map: ImageMap, noisy_maps: Float[Tensor, "b n *s"]) -> Float[Tensor, "b n"]:
    r"""How far the map moves under small noise on the image, relative to its own length, for each
    noisy copy.

    $$\frac{|L(I) - L(I + \epsilon)|_2}{|L(I)|_2}$$
    `image_map` `[b, *s]`, `noisy_maps` `[b, n, *s]`; returns `[b, n]`. The figures are the mean
    over images of the largest and of the mean change. Yeh et al. take the maximum over a ball
    around the image; here the noise is Gaussian, and the maximum grows with the number of copies:
    compare at equal `samples`. 0 is a map that does not move, and so is a map that ignores the
    image altogether. An empty map has no length: nan.

    >>> sensitivity(
    ...     torch.tensor([[0.0, 1.0]]), torch.tensor([[[0.0, 1.0], [0.0, 0.5], [1.0, 1.0]]])
    ... )
    tensor([[0.0000, 0.5000, 1.0000]], dtype=torch.float64)
    """
    here, there = image_map.double().flatten(1), noisy_maps.double().flatten(2)
    length: Tensor = torch.linalg.vector_norm(here, dim=1, keepdim=True)
    moved: Tensor = torch.linalg.vector_norm(there - here.unsqueeze(1), dim=2)
    return (moved / length).masked_fill(length == 0, torch.nan)
