"""ROAD, both ends together: does it matter more to lose the strong pixels than the weak ones?"""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.metric import metric
from sightline.types import Scores


@metric(
    title="ROAD",
    group="faithfulness",
    higher_is_better=True,
    paper=(
        "Rong et al., ROAD, ICML 2022, arXiv:2202.00449; combined as in pytorch-grad-cam's"
        " ROADCombined"
    ),
)
def road(road_morf: Float[Tensor, "b p"], road_lerf: Float[Tensor, "b p"]) -> Scores:
    r"""Half of what separates losing the least relevant pixels from losing the most relevant ones.

    $$\frac{1}{P} \sum_p \frac{\mathrm{LeRF}_p - \mathrm{MoRF}_p}{2}$$
    over the confidences `[b, p]` with p % of the pixels removed from either end by noisy linear
    imputation. In [-1/2, 1/2] for probabilities; 0 says that the order does not matter. The
    confidence Y cancels out, so this is the number of pytorch-grad-cam, which takes changes.

    >>> import torch
    >>> road(road_morf=torch.tensor([[0.5, 0.25]]), road_lerf=torch.tensor([[1.0, 0.75]]))
    tensor([0.2500], dtype=torch.float64)
    """
    return (road_lerf.double() - road_morf.double()).mean(1) / 2
