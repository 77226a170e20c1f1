"""Layer-CAM: each position its own positive gradient (Jiang et al. 2021)."""

from sightline.types import Gradients, Weights


def layer_cam(gradients: Gradients) -> Weights:
    r"""Weigh each position of each channel by its own positive gradient.

    $$w^k_{ij} = \mathrm{relu}(g^k_{ij})$$

    Meant for shallow layers too, where one weight a channel says little. The paper's tanh scaling
    for merging several layers is not part of it. Expects and returns `[b, c, *s]`.

    >>> import torch
    >>> layer_cam(torch.tensor([[[1.0, -3.0]]]))
    tensor([[[1., 0.]]])
    """
    return gradients.relu()
