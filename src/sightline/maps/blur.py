"""The blurred image, from which insertion begins and which may fill hidden places."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sightline.errors import ImageError
from sightline.types import Images


def blur(
    images: Images, size: int = 11, sigma: int | float = 5.0, *, edge: str = "replicate"
) -> Images:
    r"""The images without their detail, by a Gaussian in a window of 11, as RISE blurs them.

    $$\mathrm{blur}(I)_{ij} = \sum_{ab} k_a k_b\, I_{i+a,\,j+b}$$

    `images` `[b, c, *s]` of any space, `size` (odd) and `sigma` in pixels; sigma 0 changes nothing.
    A signal is blurred along its axis, a volume along its three. The kernel is RISE's (Petsiuk et
    al. 2018, evaluation.py): the tails outside the window are folded back into it, not cut off, so
    that it sums to 1. With its 11 and 5 it is nearly flat (0.088 at the ends, 0.094 in the middle).

    Beyond the border RISE sees zeros, of normalised pixels: the rim fades to the data set's mean
    colour, and blurring raw pixels gives another image (a black rim). Here the border pixel goes on
    (`edge="replicate"`), so that a plain image stays what it is and blurring commutes with
    normalising. `edge="zeros"` on normalised images is RISE's.

    >>> blur(torch.tensor([[[[0.0, 9.0, 0.0]]]]), size=3, sigma=100.0)
    tensor([[[[3.0000, 3.0000, 3.0000]]]])
    >>> blur(torch.tensor([[[0.0, 9.0, 9.0]]]), size=3, sigma=100.0, edge="zeros")  # a signal
    tensor([[[3.0000, 6.0000, 6.0000]]])
    """
    if size < 1 or size % 2 == 0:
        raise ImageError(
            f"Expected an odd number of pixels as the size of a blur; got {size}. RISE's is 11."
        )
    if edge not in ("replicate", "zeros"):
        raise ImageError(f"Expected 'replicate' or 'zeros' as the edge of a blur; got {edge!r}.")
    dtype = torch.promote_types(images.dtype, torch.float32)
    kernel = _kernel(size, float(sigma)).to(images.device, dtype)
    blurred, sides = images.to(dtype), images.shape[2:]
    for axis in range(len(sides)):
        blurred = _along(axis, blurred, sides, kernel, edge)
    return blurred.view(images.shape).to(images.dtype)


def _along(axis: int, images: Tensor, sides: Sequence[int], kernel: Tensor, edge: str) -> Tensor:
    """Blurred along one axis: the last one lies in the rows of planes, each other one across them.

    So two dimensions of convolution are enough for any number of axes.
    """
    half = len(kernel) // 2
    before, after = math.prod(sides[:axis]), math.prod(sides[axis + 1 :])
    if axis == len(sides) - 1:
        planes, shape, padding = (before, sides[axis]), (1, -1), (half, half, 0, 0)
    else:
        planes, shape, padding = (sides[axis], after), (-1, 1), (0, 0, half, half)
    mode = "replicate" if edge == "replicate" else "constant"
    padded = F.pad(images.reshape(-1, 1, *planes), padding, mode=mode)
    return F.conv2d(padded, kernel.view(1, 1, *shape))


def _kernel(size: int, sigma: float) -> Float[Tensor, " size"]:
    """The Gaussian to 4 sigma, mirrored at the ends of the window until all of it lies inside.

    >>> (
    ...     [round(x, 4) for x in _kernel(11, 5.0).tolist()][:6],
    ...     round(float(_kernel(11, 5.0).sum()), 12),
    ... )
    ([0.088, 0.0889, 0.0905, 0.0922, 0.0935, 0.094], 1.0)
    """
    kernel = torch.zeros(size, dtype=torch.float64, device="cpu")
    reach = int(4 * sigma + 0.5)
    if reach == 0:
        kernel[size // 2] = 1
        return kernel
    offsets = torch.arange(-reach, reach + 1, device="cpu")
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    places = (offsets + size // 2) % (2 * size)
    return kernel.index_add_(
        0, torch.minimum(places, 2 * size - 1 - places), weights / weights.sum()
    )
