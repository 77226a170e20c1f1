"""Guided backpropagation: only what is positive both ways comes back (Springenberg et al. 2015)."""

from sightline.types import Gradients


def guided_backprop(guided_gradients: Gradients) -> Gradients:
    r"""Show the pixels that reach the score on active, positive paths alone (Springenberg et al.
    2015, section 3.4).

    $$R^l = [f^l > 0]\,[R^{l+1} > 0]\, R^{l+1}$$

    at every rectifier, f what entered it and R what comes back; everywhere else the derivative.
    Fine edges, **but not evidence for a class**: the picture hardly changes when the class does, or
    when the upper layers' weights are replaced by random ones (Adebayo et al. 2018,
    arXiv:1810.03292); it comes close to recovering the image (Nie et al. 2018, arXiv:1805.07039).

    Expects `[b, c, *s]` as `PixelTrace.gradients(scores, "guided")` gives it, where the rule for
    smooth gates is stated too; returns the same, signed; the unit is score for input value.

    >>> import torch
    >>> guided_backprop(torch.tensor([[[1.0, -3.0]]]))
    tensor([[[ 1., -3.]]])
    """
    return guided_gradients
