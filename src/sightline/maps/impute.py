"""ROAD's imputation: removed pixels become what their surroundings suggest."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from sightline.errors import ImageError
from sightline.maps.noise import drawn
from sightline.types import Images

_NEIGHBOURS = ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12))
"""Half of the eight, rows and columns away, with ROAD's weight: the other half is these from the
other side.
"""


def impute(
    images: Images,
    removed: Bool[Tensor, "b *s"],
    noise: int | float = 0.0,
    generators: Sequence[torch.Generator] | None = None,
) -> Images:
    r"""ROAD's noisy linear imputation: a removed pixel is the mean of its neighbours.

    $$x_p = \frac{\sum_q w_{pq} x_q}{\sum_q w_{pq}} + \epsilon$$

    (Rong et al. 2022) over the eight neighbours q inside the image, known or themselves removed;
    w = 1/6 beside, 1/12 across, renormalised at the border. All removed pixels are solved for at
    once. Noise of standard deviation `noise`, in the images' unit, comes on top of the solution
    (ROAD's code: 0.01).

    `images` `[b, c, h, w]`, `removed` `[b, h, w]` true where a pixel goes. One generator an image,
    as `noisy` asks; each draws a number for every pixel and channel, whatever is removed. Known
    pixels stay to the bit. Without a known pixel there is nothing to start from (ROAD's system is
    singular): the image's own mean colour takes its place.

    The system is sparse, symmetric and positive definite; it is solved directly, in float64, all
    channels at once. On one core a 224 x 224 image takes about 10, 60 and 150 ms with 10, 50 and 90
    % removed.

    >>> impute(torch.tensor([[[[1.0, 9.0, 3.0]]]]), torch.tensor([[[False, True, False]]]))
    tensor([[[[1., 2., 3.]]]])
    """
    if noise and generators is None:
        raise ImageError(
            "Expected generators for the noise, one for each image; came none. Give them, or"
            " noise=0."
        )
    filled = torch.stack(
        [_filled(image, gone) for image, gone in zip(images, removed, strict=True)]
    )
    if generators is not None:
        filled += drawn(images, noise, generators)
    return torch.where(removed.unsqueeze(1), filled.to(images.dtype), images)


def _filled(image: Tensor, removed: Tensor) -> Tensor:
    """One image `[c, h, w]` in float64, its removed pixels solved for."""
    from scipy.sparse.linalg import splu

    values = image.detach().double().cpu().numpy().reshape(image.shape[0], -1).T.copy()
    missing = removed.cpu().numpy().ravel()
    halved = _halved(*removed.shape)
    gone, known = halved[missing[halved]], np.flatnonzero(~missing)
    if not len(known):
        values[:] = values.mean(0)
    elif len(gone):
        rows = _laplacian(*removed.shape)[gone]
        system = rows[:, gone].tocsc()
        symmetric = {
            "permc_spec": "NATURAL",
            "diag_pivot_thresh": 0.0,
            "options": {"SymmetricMode": True},
        }
        values[gone] = splu(system, **symmetric).solve(-(rows[:, known] @ values[known]))
    return torch.from_numpy(values.T.copy()).view(image.shape).to(image.device)


@lru_cache(maxsize=8)
def _laplacian(height: int, width: int) -> Any:
    """The matrix that takes x to sum_q w_pq (x_p - x_q): symmetric, its rows sum to zero."""
    from scipy import sparse

    places = np.arange(height * width).reshape(height, width)
    rows, columns, weights = [], [], []
    for down, right, weight in _NEIGHBOURS:
        here = places[: height - down, max(0, -right) : width - max(0, right)].ravel()
        there = here + down * width + right
        rows += [here, there]
        columns += [there, here]
        weights += [np.full(len(here), weight)] * 2
    links = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    matrix = sparse.csr_matrix(links, shape=(height * width, height * width))
    return (sparse.diags(np.asarray(matrix.sum(1)).ravel()) - matrix).tocsr()


@lru_cache(maxsize=8)
def _halved(height: int, width: int) -> Any:
    """All pixels in the order to eliminate them: nested dissection, a line after its two halves.

    A third less work for the solver than its own ordering (minimum degree) leaves it, at 224 x 224.

    >>> int(_halved(1, 21)[-1]), sorted(_halved(5, 7)) == list(range(35))
    (10, True)
    """

    def halves(block: Any) -> list[Any]:
        if block.size <= 16:
            return [block.ravel()]
        if block.shape[0] < block.shape[1]:
            block = block.T
        middle = len(block) // 2
        return [*halves(block[:middle]), *halves(block[middle + 1 :]), block[middle]]

    return np.concatenate(halves(np.arange(height * width).reshape(height, width)))
