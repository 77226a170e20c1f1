"""Pictures of noise, for what follows from a network and not from what is on a picture."""

import torch
from torch import Tensor


def noise(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Uniform noise in [0, 1), the same every time, in the type and on the device of `like`.

    >>> noise((1, 1, 2), torch.zeros(1, dtype=torch.float64))
    tensor([[[0.4963, 0.7682]]], dtype=torch.float64)
    """
    # The generator's device is named, since the caller may have set another one as the default.
    generator = torch.Generator("cpu").manual_seed(0)
    return torch.rand(shape, generator=generator, device="cpu").to(like)
