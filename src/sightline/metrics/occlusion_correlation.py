"""Rank correlation with occlusion: does the map rise where hiding the image really costs?"""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.correlation import spearman
from sightline.metrics.metric import metric
from sightline.types import ImageMap, Scores


@metric(
    title="Occlusion correlation",
    group="sanity",
    higher_is_better=True,
    paper="Selvaraju et al., Grad-CAM, IJCV 2019, arXiv:1610.02391v4, section 5.3",
)
def occlusion_correlation(image_map: ImageMap, occlusion_map: Float[Tensor, "b *s"]) -> Scores:
    r"""Spearman's rank correlation of the map, in [0, 1], and the score lost where a patch is
    hidden, signed.

    $$\rho(L, D)$$
    over the pixels, `[b, *s]` both; tied values share their mean rank, so a map's large empty part
    is one value and not an order. The map is the one people see, rectified: Grad-CAM's own; the
    occlusion map keeps its sign, as hiding a distractor raises the score and should rank lowest.

    Both on the image's grid: a rank correlation is a ratio of sums, and enlarging repeats all terms
    alike; what it must not be used for is a p-value, as neighbouring pixels are not independent. At
    a perfect map it stays below 1 where the occlusion is finer or coarser than the layer, so
    compare methods, not with 1. nan where either is constant.

    >>> import torch
    >>> occlusion_correlation(
    ...     torch.tensor([[0.0, 0.0, 0.5, 1.0]]), torch.tensor([[-0.1, -0.1, 0.2, 0.3]])
    ... )
    tensor([1.], dtype=torch.float64)
    """
    return spearman(image_map, occlusion_map)
