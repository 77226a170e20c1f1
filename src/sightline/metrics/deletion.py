"""Deletion: how fast the confidence goes when the most relevant pixels go first."""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="Deletion",
    group="faithfulness",
    higher_is_better=False,
    paper="Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
)
def deletion(deletion_curve: Float[Tensor, "b k"]) -> Scores:
    r"""Area under the confidence while the pixels are deleted in equal steps, the strongest first.

    $$\frac{1}{n} \left( \frac{c_0}{2} + c_1 + \dots + c_{n-1} + \frac{c_n}{2} \right)$$
    over `[b, n + 1]` confidences: c_0 on the whole image, c_n on nothing. The trapezoid rule over a
    length of 1, as in RISE's evaluation.py; in [0, 1] for probabilities. Not divided by Y: an image
    the model is unsure of has a small area whatever the map, so compare methods on the same images.
    An unsuitable fill makes every map look good: half-deleted images are unlike any other.

    >>> import torch
    >>> deletion(torch.tensor([[0.8, 0.2, 0.0]]))
    tensor([0.3000], dtype=torch.float64)
    """
    return area(deletion_curve)


def area(curve: Float[Tensor, "b k"]) -> Scores:
    """The trapezoid rule over equal steps of a length of 1; a curve of one point is its height."""
    heights = curve.double()
    if heights.shape[1] == 1:
        return heights[:, 0]
    return (heights[:, 1:] + heights[:, :-1]).mean(1) / 2
