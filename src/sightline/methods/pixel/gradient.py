"""Gradient: the derivative of the score by the pixels (Simonyan et al. 2013)."""

from sightline.types import Gradients


def gradient(input_gradients: Gradients) -> Gradients:
    r"""Show how the score would change with each pixel (Simonyan et al. 2013, section 3).

    $$p_{kij} = \partial S / \partial I_{kij}$$

    S is the score before the softmax. The paper's picture is `reduce` of this: the largest
    magnitude among the channels. Noisy, but it does depend on the weights and the class, as sanity
    checks show (Adebayo et al. 2018, arXiv:1810.03292); guided backpropagation and its products
    hardly do. Expects and returns `[b, c, *s]`, signed; the unit is score for input value.

    >>> import torch
    >>> gradient(torch.tensor([[[1.0, -3.0]]]))
    tensor([[[ 1., -3.]]])
    """
    return input_gradients
