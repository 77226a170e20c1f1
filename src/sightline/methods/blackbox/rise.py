"""RISE: random masks, weighed by what is left of the score (Petsiuk et al. 2018)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.maps.upsample import enlarged
from sightline.methods.blackbox.query import Query, check_options
from sightline.tensors import per_image
from sightline.types import Map, Scores


def rise(
    shown: Query,
    scores: Scores,
    size: Sequence[int],
    *,
    masks: int = 1000,
    cells: int = 7,
    keep: float | int = 0.5,
    seed: int = 0,
    centred: bool = True,
    fill: str = "zero",
    probability: bool = False,
    at_once: int = 16,
) -> Map:
    r"""Show the picture through many random masks, and average them by the scores they leave
    (section 3.1, eq. 6).

    $$S_p = \frac{1}{\mathbb{E}[M]\, N} \sum_{i=1}^{N}
      \bigl( f(x \circ M_i) - \bar f \bigr)\, M_i(p), \qquad \mathbb{E}[M] = \mathrm{keep}$$

    A mask is a grid of `cells` along each axis, each shown with the probability `keep`, enlarged
    linearly by a whole number and shifted at random by up to a cell (section 3.2; the number is
    rounded up where the paper rounds down, so that every shift fits). N is `masks`; the paper takes
    4000 for VGG-16 and 8000 for ResNet-50: the fewer, the noisier.

    Variants. The paper's equation has no mean score: `centred=False`. In expectation that is `S_p`
    plus the mean score, the same at every pixel, so that pixels keep their order. But a constant is
    no evidence, and multiplied with the masks that happened to be drawn it is most of the noise:
    for scores far from 0, a logit for one, centring is what makes the map readable and its sign
    mean for and against. The paper's f is the probability: `probability=True`.

    The same N masks, drawn from `seed`, serve every image, and no random generator of yours is
    touched. `fill` and `at_once`: see `Query`; the paper's product with a mask is `fill="zero"`.

    `scores` `[r]` of the whole picture, `size` the picture's. Returns `[r, *size]`, signed; the
    unit is the score's. For a linear model and independent pixels the expectation of `S_p` is `(1 -
    keep)` times weight times pixel.

    >>> see = lambda masks, **_: masks[:, :, 0]  # the first pixel is all that counts
    >>> rise(see, torch.ones(1), [4], masks=500, cells=4).argmax().item()
    0
    >>> rise(lambda masks, **_: torch.ones(len(masks), 1), torch.ones(1), [4])  # nothing counts
    tensor([[0., 0., 0., 0.]], dtype=torch.float64)
    """
    check_options(fill=fill, at_once=at_once, masks=masks, cells=cells)
    if not 0 < keep < 1:
        raise MethodError(
            f"Expected the probability that a cell is shown, between 0 and 1; got keep={keep!r}."
        )
    known: dict[str, Any] = {"fill": fill, "probability": probability, "at_once": at_once}
    generator = torch.Generator("cpu").manual_seed(seed)
    origin = (
        scores.double().cpu().flatten()
        if centred and not probability
        else torch.zeros(len(scores), dtype=torch.float64, device="cpu")
    )
    weighed = origin.new_zeros(len(scores), *size)
    plain, total = origin.new_zeros(*size), origin.new_zeros(len(scores))
    for start in range(0, masks, at_once):
        some = random_masks(min(at_once, masks - start), cells, keep, size, generator)
        # taken from all alike, so that little is rounded
        left = shown(some.unsqueeze(1), **known).double() - origin
        weighed += torch.tensordot(left.T, some.double(), dims=1)
        plain += some.double().sum(0)
        total += left.sum(0)
    if centred:
        weighed -= per_image(total / masks, weighed.ndim) * plain
    return weighed / (keep * masks)


def random_masks(
    m: int, cells: int, keep: float | int, size: Sequence[int], generator: torch.Generator
) -> Tensor:
    """`[m, *size]` in [0, 1]: grids of `cells`, enlarged, each shifted by pixels of its own.

    How many are drawn at a time does not matter to any of them. An axis with fewer pixels than
    cells has a cell a pixel.

    >>> a, b = (torch.Generator("cpu").manual_seed(7) for _ in range(2))
    >>> both = torch.cat([random_masks(1, 2, 0.5, [6, 9], a), random_masks(2, 2, 0.5, [6, 9], a)])
    >>> torch.equal(both, random_masks(3, 2, 0.5, [6, 9], b))
    True
    """
    grid = [min(cells, side) for side in size]
    steps = [-(-side // count) for side, count in zip(size, grid, strict=True)]
    found = torch.empty(m, *size, dtype=torch.float32, device="cpu")
    for mask in found:
        drawn = torch.rand(*grid, generator=generator, dtype=torch.float32, device="cpu")
        shows = (drawn < keep).float()
        offsets = [
            int(torch.randint(step + 1, (), generator=generator, device="cpu")) for step in steps
        ]
        large = enlarged(
            shows.unsqueeze(0), [(n + 1) * step for n, step in zip(grid, steps, strict=True)]
        )[0]
        mask.copy_(large[tuple(slice(o, o + side) for o, side in zip(offsets, size, strict=True))])
    return found
