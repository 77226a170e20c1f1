"""What every room needs of tensors: torch's modes, entered only where they change something, and
expanded values.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(tensor: Tensor) -> Tensor:
    """Map arithmetic is done in float32 or better, whatever the model's dtype.

    >>> (
    ...     at_least_float32(torch.ones(1, dtype=torch.float16)).dtype,
    ...     at_least_float32(torch.ones(1, dtype=torch.float64)).dtype,
    ... )
    (torch.float32, torch.float64)
    """
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Products in the types of their factors, also when the caller runs under autocast."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def allow_grad() -> AbstractContextManager[object]:
    """What is made inside can be part of a graph, also when the caller is in inference mode."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()


def unexpanded(values: Tensor) -> Tensor:
    """`[b, c, *s]` that was expanded from one value a channel as `[b, c, 1, ...]`; everything else
    as it is.

    What is worked out for one place holds for all of them; `.expand_as` spreads it again, where
    nothing is copied.

    >>> import torch
    >>> (
    ...     unexpanded(torch.ones(2, 3, 1, 1).expand(2, 3, 7, 7)).shape,
    ...     unexpanded(torch.ones(2, 3, 7, 7)).shape,
    ... )
    (torch.Size([2, 3, 1, 1]), torch.Size([2, 3, 7, 7]))
    """
    return values[tuple(slice(0, 1) if step == 0 else slice(None) for step in values.stride())]
