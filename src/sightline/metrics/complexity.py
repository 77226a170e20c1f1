"""Complexity: how much of the image the explanation takes."""

from sightline.metrics.metric import metric
from sightline.types import ImageMap, Scores


@metric(
    title="Complexity",
    group="faithfulness",
    higher_is_better=False,
    unit="%",
    scale=100,
    paper=(
        "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW 2021,"
        " arXiv:2104.10252"
    ),
)
def complexity(image_map: ImageMap) -> Scores:
    r"""The mean of the map over its pixels.

    $$\frac{|L|_1}{n}$$ with n pixels; in [0, 1] for maps in [0, 1].

    Less is better only beside other metrics: an empty map has 0, the best value there is. That is
    what ADCC is for.

    >>> import torch
    >>> complexity(torch.tensor([[[0.0, 0.5], [0.5, 1.0]]]))
    tensor([0.5000], dtype=torch.float64)
    """
    return image_map.double().abs().flatten(1).mean(1)
