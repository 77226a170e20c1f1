"""Guided CAM: a map's region with guided backpropagation's detail (Selvaraju et al. 2017)."""

from sightline.types import Gradients, ImageMap


def guided_cam(guided_gradients: Gradients, image_map: ImageMap) -> Gradients:
    r"""Multiply guided backpropagation by an enlarged map, pixel by pixel (Grad-CAM section 3.2,
    Grad-CAM++ section 4).

    $$p_{kij} = L_{ij}\, R_{kij}$$

    With the map of Grad-CAM this is Guided Grad-CAM, with that of Grad-CAM++ Guided Grad-CAM++; any
    CAM may stand there. `guided_gradients` `[b, c, *s]`, `image_map` `[b, *s]` on the same grid, in
    [0, 1]. Returns `[b, c, *s]`, signed; the unit is score for input value.

    **The region is the map's evidence; the fine detail in it is not evidence for the class.** The
    detail comes from guided backpropagation, which hardly depends on the class or the upper layers,
    and the product inherits the failure (Adebayo et al. 2018, arXiv:1810.03292). Read regions, not
    edges.

    >>> import torch
    >>> guided_cam(torch.tensor([[[2.0, 2.0], [-3.0, 1.0]]]), torch.tensor([[0.5, 0.0]]))
    tensor([[[ 1.0000,  0.0000],
             [-1.5000,  0.0000]]])
    """
    return guided_gradients * image_map.unsqueeze(1)
