"""Coherency: does the explanation alone get the same explanation again?"""

from sightline.metrics.correlation import pearson
from sightline.metrics.metric import metric
from sightline.types import ImageMap, Scores


@metric(
    title="Coherency",
    group="faithfulness",
    higher_is_better=True,
    unit="%",
    scale=100,
    paper=(
        "Poppi et al., Revisiting the Evaluation of Class Activation Mapping (ADCC), CVPRW 2021,"
        " arXiv:2104.10252"
    ),
)
def coherency(image_map: ImageMap, masked_map: ImageMap) -> Scores:
    r"""Likeness of the image's map and the map of the explanation map, both of the same class.

    $$\frac{r(L(I), L(L(I) \circ I)) + 1}{2}$$
    with r Pearson's correlation over the pixels: 1 the same up to scale and shift, 1/2 unrelated, 0
    opposite. Maps `[b, *s]`. Where r does not exist, a constant or empty map or one with nan, the
    value is 0, as in the authors' code (which asks for nan in the maps): such a map is counted, not
    set apart.

    >>> import torch
    >>> image_map = torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    >>> coherency(image_map, masked_map=torch.tensor([[0.25, 0.5, 0.75], [0.0, 0.5, 1.0]]))
    tensor([1., 0.], dtype=torch.float64)
    """
    return ((pearson(image_map, masked_map) + 1) / 2).nan_to_num(0.0)
