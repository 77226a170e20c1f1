"""Values that are the same at every place of a channel, as gradients are behind a global average pool."""

from torch import Tensor


def once(values: Tensor) -> Tensor:
    """`[b, c, *s]` that was expanded from one value a channel as `[b, c, 1, ...]`; everything else as it is.

    What is worked out for one place holds for all of them; `.expand_as` spreads it again, where nothing is copied.

    >>> import torch
    >>> once(torch.ones(2, 3, 1, 1).expand(2, 3, 7, 7)).shape, once(torch.ones(2, 3, 7, 7)).shape
    (torch.Size([2, 3, 1, 1]), torch.Size([2, 3, 7, 7]))
    """
    return values[tuple(slice(0, 1) if step == 0 else slice(None) for step in values.stride())]
