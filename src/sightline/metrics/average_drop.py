"""Average Drop: how much confidence is lost when only the mapped part of the image is seen."""

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="Average Drop",
    group="faithfulness",
    higher_is_better=False,
    unit="%",
    scale=100,
    paper="Chattopadhay et al., Grad-CAM++, WACV 2018; arXiv:1710.11063v3, section 4.1",
)
def average_drop(full_score: Scores, masked_score: Scores, *, drop: str = "relative") -> Scores:
    r"""Share of the confidence lost when only the mapped part of the image is seen; the data set's
    figure is the mean.

    $$\max(0, Y - O) / Y$$
    with Y the confidence on the whole image, O on the explanation map (Grad-CAM++ v3, section 4.1).
    In [0, 1] for probabilities; an image without confidence (Y = 0) contributes nan and is counted
    apart. With `drop="absolute"` nothing is divided by, as pytorch-grad-cam does.

    >>> import torch
    >>> average_drop(full_score=torch.tensor([0.8, 0.5]), masked_score=torch.tensor([0.4, 0.9]))
    tensor([0.5000, 0.0000])
    """
    lost = (full_score - masked_score).relu()
    if drop == "absolute":
        return lost
    return (lost / full_score).masked_fill(full_score == 0, float("nan"))
