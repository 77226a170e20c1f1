"""ROAD, most relevant first: the confidence left when the strongest pixels are removed."""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="ROAD MoRF",
    group="faithfulness",
    higher_is_better=False,
    paper="Rong et al., ROAD, ICML 2022, arXiv:2202.00449",
)
def road_morf_area(road_morf: Float[Tensor, "b p"]) -> Scores:
    r"""Mean confidence over the percentages of pixels removed, the most relevant first, by noisy
    linear imputation.

    $$\frac{1}{P} \sum_p c_p$$
    with c_p the confidence when p % of the pixels are imputed from the rest; `[b, p]`. A low value
    says that the pixels mattered. pytorch-grad-cam prints the change instead: this minus the
    confidence Y.

    >>> import torch
    >>> road_morf_area(torch.tensor([[0.5, 0.25, 0.0]]))
    tensor([0.2500], dtype=torch.float64)
    """
    return road_morf.double().mean(1)
