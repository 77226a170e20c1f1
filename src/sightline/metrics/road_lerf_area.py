"""ROAD, least relevant first: the confidence left when the weakest pixels are removed."""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="ROAD LeRF",
    group="faithfulness",
    higher_is_better=True,
    paper="Rong et al., ROAD, ICML 2022, arXiv:2202.00449",
)
def road_lerf_area(road_lerf: Float[Tensor, "b p"]) -> Scores:
    r"""Mean confidence over the percentages of pixels removed, the least relevant first, by noisy
    linear imputation.

    $$\frac{1}{P} \sum_p c_p$$
    with c_p the confidence when p % of the pixels are imputed from the rest; `[b, p]`. A high value
    says that the pixels did not matter. pytorch-grad-cam prints the change instead: this minus the
    confidence Y.

    >>> import torch
    >>> road_lerf_area(torch.tensor([[1.0, 0.75, 0.5]]))
    tensor([0.7500], dtype=torch.float64)
    """
    return road_lerf.double().mean(1)
