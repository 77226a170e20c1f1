"""% Increase in Confidence: how often the explanation convinces more than the whole image."""

import torch

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="Increase in Confidence",
    group="faithfulness",
    higher_is_better=True,
    unit="%",
    scale=100,
    paper="Chattopadhay et al., Grad-CAM++, WACV 2018; arXiv:1710.11063v3, section 4.1",
)
def increase_in_confidence(full_score: Scores, masked_score: Scores) -> Scores:
    r"""1 where the model is surer of the explanation map than of the whole image; the figure is the
    share of images.

    $$\mathbf{1}[Y < O]$$
    with Y the confidence on the whole image, O on the explanation map (Grad-CAM++ v3, section 4.1).
    A tie is no increase; so an image without confidence on either counts as 0 (it has an answer: no
    increase). nan where either is not a number.

    >>> increase_in_confidence(
    ...     full_score=torch.tensor([0.5, 0.8, 0.3]), masked_score=torch.tensor([0.9, 0.4, 0.3])
    ... )
    tensor([1., 0., 0.])
    """
    unknown = full_score.isnan() | masked_score.isnan()
    return (full_score < masked_score).to(full_score.dtype).masked_fill(unknown, torch.nan)
