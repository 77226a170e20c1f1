"""Images with a little noise, to see whether their maps stay."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import ImageError
from sightline.tensors import per_channel
from sightline.types import Images


def noisy(
    images: Images, std: int | float | Tensor, samples: int, generators: Sequence[torch.Generator]
) -> Float[Tensor, "b samples c *s"]:
    r"""Copies of each image with Gaussian noise, `[b, samples, c, *s]`.

    $$I + \epsilon,\quad \epsilon \sim N(0, \mathrm{std}^2)$$

    `std` is in the images' own unit: a number, or a tensor `[c]`. One generator an image: its noise
    does not depend on the batch it came in, nor sample 1 on how many follow. Nothing is clipped,
    raw pixels may leave [0, 1]. Drawn in float32 (float64 for such images), where the generator is.

    >>> a, b = (
    ...     noisy(torch.zeros(1, 3, 2, 2), 0.1, 4, [torch.Generator().manual_seed(7)])
    ...     for _ in range(2)
    ... )
    >>> a.shape, torch.equal(a, b)
    (torch.Size([1, 4, 3, 2, 2]), True)
    """
    return torch.stack(
        [images + drawn(images, std, generators).to(images.dtype) for _ in range(samples)], dim=1
    )


def drawn(
    images: Images, std: int | float | Tensor, generators: Sequence[torch.Generator]
) -> Images:
    """Gaussian noise like the images, each image's from its own generator.

    Raises `ImageError` where there are more or fewer generators than images.
    """
    if len(generators) != images.shape[0]:
        raise ImageError(
            f"Expected one generator for each of the {images.shape[0]} images, so that an image's"
            f" noise does not depend on its batch; came {len(generators)}. For example"
            " [torch.Generator().manual_seed(number) for number in numbers]."
        )
    dtype = torch.promote_types(images.dtype, torch.float32)
    noise = [
        torch.randn(images.shape[1:], generator=g, dtype=dtype, device=g.device) for g in generators
    ]
    size = torch.as_tensor(std, dtype=dtype, device=images.device)
    return torch.stack(noise).to(images.device) * per_channel(size, images.ndim)
