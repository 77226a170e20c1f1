"""Deconvnet: what comes back is rectified instead of gated (Zeiler and Fergus 2014)."""

from sightline.types import Gradients


def deconvnet(deconvnet_gradients: Gradients) -> Gradients:
    r"""Show the pixels a deconvolutional network would rebuild from the score (Zeiler and Fergus
    2014, section 2.1).

    $$R^l = [R^{l+1} > 0]\, R^{l+1}$$

    at every rectifier; everywhere else the derivative, which also is how a deconvnet transposes
    convolutions and undoes max pooling. What entered a rectifier does not count, so without max
    pooling the picture would be the same for every image: **no evidence for a class**, and more
    artefacts than guided backpropagation.

    Expects `[b, c, *s]` as `PixelTrace.gradients(scores, "deconvnet")` gives it; returns the same,
    signed; the unit is score for input value.

    >>> import torch
    >>> deconvnet(torch.tensor([[[1.0, -3.0]]]))
    tensor([[[ 1., -3.]]])
    """
    return deconvnet_gradients
