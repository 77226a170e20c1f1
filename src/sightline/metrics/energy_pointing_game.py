"""The energy pointing game: how much of the map lies inside the boxes."""

from jaxtyping import Float
from torch import Tensor

from sightline.metrics.areas import Maps, covered, space
from sightline.metrics.metric import metric
from sightline.types import Boxes


@metric(
    title="Energy pointing game",
    group="localisation",
    higher_is_better=True,
    unit="%",
    scale=100,
    paper="Wang et al., Score-CAM, CVPR Workshops 2020, arXiv:1910.01279, section 4.3",
)
def energy_pointing_game(image_map: Maps, boxes: Boxes) -> Float[Tensor, " b"]:
    r"""Share of the map's sum that lies inside the boxes of its class.

    $$\sum_{p \in \mathrm{boxes}} L_p \Big/ \sum_p L_p$$
    (Score-CAM, section 4.3), in [0, 1], on the map as it is: unlike Loc it is not rescaled, so a
    floor under the whole map counts. Boxes that overlap are united. A uniform map scores the boxes'
    share of the view; Score-CAM's figures are on 500 images with one box, smaller than half of
    each.

    A map that is zero everywhere has no energy and contributes nan, as does an image whose boxes
    cover no pixel.

    >>> import torch
    >>> energy_pointing_game(
    ...     torch.tensor([[[1.0, 0.5, 0.5, 0.0]]]), [torch.tensor([[0.0, 0.0, 2.0, 1.0]])]
    ... ).tolist()
    [0.75]
    """
    positions, energy = covered(boxes, image_map), image_map.double()
    axes = space(energy)
    share = (energy * positions).sum(axes) / energy.sum(axes)  # 0 / 0 is nan
    return share.masked_fill(~positions.flatten(1).any(1), float("nan"))
