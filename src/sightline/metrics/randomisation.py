"""Parameter randomisation: does the map notice when the model forgets what it learned?"""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.metrics.correlation import spearman
from sightline.metrics.metric import Values, mean, metric, of_column_means
from sightline.types import ImageMap


@of_column_means(weighted=True)
def after_the_head(values: Values) -> float:
    """The mean at the first stage."""
    return mean(values[:, 0])


@of_column_means(weighted=True)
def after_all_layers(values: Values) -> float:
    """The mean at the last stage."""
    return mean(values[:, -1])


@metric(
    title="Randomisation",
    group="sanity",
    higher_is_better=False,
    figures={
        "Randomisation (after the head)": after_the_head,
        "Randomisation (after all layers)": after_all_layers,
        "Randomisation (mean)": mean,
    },
    paper="Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, arXiv:1810.03292",
)
def randomisation(
    image_map: ImageMap, randomised_maps: Float[Tensor, "b stages *s"]
) -> Float[Tensor, "b stages"]:
    r"""Rank correlation of the map with the maps of the model while its layers lose their weights,
    from the top down.

    $$\rho(L, L_k)$$
    Spearman's, tied values sharing their mean rank. `randomised_maps` `[b, stages, *s]`: the first
    has the head shuffled, each further one more of the layers before it: the cascade. Returns `[b,
    stages]`. A map that stays the same does not show what the model learned. Adebayo et al. name no
    threshold to pass; maps are in [0, 1], so their signed and absolute versions are one. Two maps
    of one centred object correlate for that alone: compare with the control maps. nan where either
    map is constant, as that of a broken model often is (an empty map certainly changed, but it has
    no ranks): counted apart.

    >>> randomisation(
    ...     torch.tensor([[0.0, 0.5, 1.0]]), torch.tensor([[[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]])
    ... )
    tensor([[ 1., -1.]], dtype=torch.float64)
    """
    return torch.stack([spearman(image_map, one) for one in randomised_maps.unbind(1)], dim=1)
