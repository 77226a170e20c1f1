"""ADCC: drop, coherency and complexity in one figure."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.average_drop import average_drop
from sightline.metrics.coherency import coherency
from sightline.metrics.complexity import complexity
from sightline.metrics.metric import Values, mean, metric, of_column_means
from sightline.types import ImageMap, Scores


@of_column_means(weighted=False)
def of_means(values: Values) -> float:
    """The harmonic mean of the three means: the paper's table.

    >>> round(
    ...     of_means(np.array([[0.25, 0.5, 0.0], [0.75, 1.0, 0.5]])), 6
    ... )  # 3 / (1/0.75 + 1/0.75 + 1/0.5)
    0.642857
    """
    kept = values[np.isfinite(values).all(axis=1)]
    return float(_harmonic_mean(kept.mean(axis=0))) if len(kept) else float("nan")


def mean_of_images(values: Values) -> float:
    """The mean of the images' own harmonic means: the smaller one of the two figures.

    >>> round(mean_of_images(np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])), 6)
    0.25
    """
    return mean(_harmonic_mean(values))


@metric(
    title="ADCC",
    group="faithfulness",
    higher_is_better=True,
    unit="%",
    scale=100,
    figures={"ADCC": of_means, "ADCC (mean of images)": mean_of_images},
    paper=(
        "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW 2021,"
        " arXiv:2104.10252"
    ),
)
def adcc(
    full_score: Scores, masked_score: Scores, image_map: ImageMap, masked_map: ImageMap
) -> Float[Tensor, "b terms"]:
    r"""Each image's average drop, coherency and complexity, `[b, 3]`; the figure is their harmonic
    mean.

    $$\frac{3}{\frac{1}{\mathrm{Coh}} + \frac{1}{1 - \mathrm{Com}} + \frac{1}{1 - \mathrm{Drop}}}$$
    of the *means* over the images: the identity that the paper's tables meet. The mean of each
    image's own value is given beside it; it is never larger. 0 where one of the three is as bad as
    can be. (The authors' released `adcc.py` multiplies 3 with the sum where it should divide.) The
    drop is relative to Y whatever the protocol says, and an image without confidence (Y = 0) has
    none: its whole row `[3]` is counted apart. Probabilities, not logits.

    >>> image_map, masked_map = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.5]])
    >>> adcc(torch.tensor([0.8]), torch.tensor([0.4]), image_map, masked_map)
    tensor([[0.5000, 1.0000, 0.5000]], dtype=torch.float64)
    """
    drop = average_drop(full_score.double(), masked_score.double())
    return torch.stack([drop, coherency(image_map, masked_map), complexity(image_map)], dim=1)


def _harmonic_mean(rows: np.ndarray) -> np.ndarray:
    """The harmonic mean of (1 - drop, coherency, 1 - complexity); 0 where one is not above 0."""
    good = np.stack([1 - rows[..., 0], rows[..., 1], 1 - rows[..., 2]], axis=-1)
    with np.errstate(divide="ignore"):
        harmonic = 3 / (1 / np.maximum(good, 0)).sum(axis=-1)
    return np.asarray(harmonic)
