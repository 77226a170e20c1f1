"""Where a formula reports the places at which it had to depart from its paper."""

from collections.abc import Callable

from torch import Tensor

Tally = Callable[[str, Tensor], None]
"""Takes a word, `"clamped"` or `"guarded"`, and a boolean tensor `[b, c, *s]`: True where it
happened.
"""


def ignore(word: str, positions: Tensor) -> None:
    """Do not count: the default of every method's `tally`.

    Whoever wants to know hands over a function of his own; it is called once a word, also when the
    word holds nowhere.

    >>> import torch
    >>> from sightline.methods import grad_cam_pp
    >>> negative, steep = torch.full((1, 1, 2), -1.0), torch.full((1, 1, 2), 3.0)
    >>> _ = grad_cam_pp(negative, steep, tally=lambda word, places: print(word, int(places.sum())))
    clamped 2
    """
