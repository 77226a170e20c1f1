"""Average Gain: how much of the confidence still missing the explanation alone adds."""

import torch

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="Average Gain",
    group="faithfulness",
    higher_is_better=True,
    unit="%",
    scale=100,
    paper="Zhang et al., Opti-CAM, CVIU 2024, arXiv:2301.07002",
)
def average_gain(full_score: Scores, masked_score: Scores) -> Scores:
    r"""Share of the confidence that was missing and is there when only the mapped part is seen:
    Average Drop's mirror.

    $$\max(0, O - Y) / (1 - Y)$$
    with Y the confidence on the whole image, O on the explanation map. In [0, 1] for probabilities.
    A logit has no such gain, as it has no 1 to reach. An image of which nothing is missing (Y = 1)
    contributes nan and is counted apart, and so does one above it (a logit). Average Increase
    counts; this weighs.

    >>> average_gain(
    ...     full_score=torch.tensor([0.5, 0.8, 1.0]), masked_score=torch.tensor([0.75, 0.4, 1.0])
    ... )
    tensor([0.5000, 0.0000,    nan], dtype=torch.float64)
    """
    full, kept = full_score.double(), masked_score.double()
    return ((kept - full).relu() / (1 - full)).masked_fill(full >= 1, torch.nan)
