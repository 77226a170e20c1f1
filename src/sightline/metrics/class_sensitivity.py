"""Class sensitivity: is the map of the least likely class another one?"""

from sightline.metrics.correlation import pearson
from sightline.metrics.metric import metric
from sightline.types import ImageMap, Scores


@metric(
    title="Class sensitivity",
    group="sanity",
    higher_is_better=False,
    paper="Rebuffi et al., There and Back Again, CVPR 2020, arXiv:2004.02866",
)
def class_sensitivity(image_map: ImageMap, other_map: ImageMap) -> Scores:
    r"""Pearson's correlation of the map and the map of the least likely class.

    $$r(L^c, L^{\min})$$
    Maps `[b, *s]`; in [-1, 1]. A method that answers the question asked draws the two apart: about
    0 or below. 1 is a method that draws what is salient, whatever it is asked. nan where either map
    is constant, as a rectified map of an unlikely class often is.

    >>> import torch
    >>> class_sensitivity(
    ...     torch.tensor([[0.0, 0.5, 1.0]]), other_map=torch.tensor([[1.0, 0.5, 0.0]])
    ... )
    tensor([-1.], dtype=torch.float64)
    """
    return pearson(image_map, other_map)
