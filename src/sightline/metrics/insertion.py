"""Insertion: how fast the confidence comes when the most relevant pixels come first."""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.deletion import area
from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="Insertion",
    group="faithfulness",
    higher_is_better=True,
    paper="Petsiuk et al., RISE, BMVC 2018, arXiv:1806.07421",
)
def insertion(insertion_curve: Float[Tensor, "b k"]) -> Scores:
    r"""Area under the confidence while pixels enter a blurred image in equal steps, the strongest
    first.

    $$\frac{1}{n} \left( \frac{c_0}{2} + c_1 + \dots + c_{n-1} + \frac{c_n}{2} \right)$$
    over `[b, n + 1]` confidences: c_0 on the blurred image, c_n on the whole one. The trapezoid
    rule over a length of 1, as in RISE's evaluation.py; in [0, 1] for probabilities, not divided by
    Y. A blur that leaves the object recognisable gives every map a good area.

    >>> import torch
    >>> insertion(torch.tensor([[0.0, 0.6, 0.8]]))
    tensor([0.5000], dtype=torch.float64)
    """
    return area(insertion_curve)
