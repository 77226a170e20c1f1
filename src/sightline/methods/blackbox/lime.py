"""LIME-style: parts of the picture switched on and off, and a linear model of the score."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import MethodError
from sightline.methods.blackbox.query import Note, Query, check_options, unheard
from sightline.methods.blackbox.segments import segmented
from sightline.types import Map, Scores


def lime(
    shown: Query,
    scores: Scores,
    size: Sequence[int],
    pictures: Float[Tensor, "i c h w"] | None,
    *,
    samples: int = 1000,
    segments: str | None = None,
    cells: int = 7,
    kernel: float | int = 0.25,
    ridge: float | int = 1.0,
    seed: int = 0,
    fill: str = "zero",
    probability: bool = False,
    at_once: int = 16,
    note: Note = unheard,
) -> Map:
    r"""Fit a linear model to the score near the picture; a segment's coefficient is its worth
    (Ribeiro et al. 2016).

    $$\hat\beta = \arg\min_{\beta} \sum_{i=1}^{N}
      \pi_i \bigl( f(x_{z_i}) - \beta_0 - \beta^\top z_i \bigr)^2
      + \lambda \lVert \beta \rVert^2, \qquad \pi_i = \exp\bigl( -D(z_i)^2 / \sigma^2 \bigr)$$

    (eq. 1 and 2 with a squared loss.) z says which of the K segments are shown, each with the
    probability 1/2, the first sample all of them; D is the cosine distance from all, `1 -
    sqrt(shown / K)`, and 1 where nothing is shown. N is `samples`, sigma `kernel`, lambda `ridge`,
    which spares the intercept. *LIME-style*, because choices that the paper leaves open are made
    here: a ridge on all segments and not K-LASSO on a few, and the segments themselves.

    `segments`: superpixels (`"slic"`) or a grid of `cells` (`"grid"`); left out, superpixels of
    pictures where scikit-image is installed, else the grid. About `cells` along each axis in both
    cases. The paper's f is the probability: `probability=True`. `fill` and `at_once`: see `Query`.

    How well the line fits is told to `note`: the coefficient of determination, weighed by pi as the
    fit is. Where it is low the coefficients explain little of what the model does, whatever the map
    looks like. nan: the score is constant.

    Each image has its own samples, drawn from `seed` whatever the batch. `scores` `[r]` of the
    whole picture, `size` the picture's, `pictures` its pixels in [0, 1] or None. Returns `[r,
    *size]`, signed, the same within a segment; the unit is the score's. With `ridge=0` and a linear
    model the coefficients are the segments' true contributions.

    >>> weights, picture = torch.tensor([1.0, -2.0, 4.0, 0.0]), torch.tensor([3.0, 1.0, 1.0, 9.0])
    >>> see = lambda masks, **_: (masks * picture * weights).sum(2) + 7
    >>> lime(see, torch.tensor([12.0]), [4], None, samples=50, cells=2, ridge=0).round(decimals=9)
    tensor([[1., 1., 4., 4.]], dtype=torch.float64)
    """
    check_options(fill=fill, at_once=at_once, samples=samples, cells=cells)
    for name, value, good in (("kernel", kernel, kernel > 0), ("ridge", ridge, ridge >= 0)):
        if not good:
            raise MethodError(
                f"Expected a {name} {'above' if name == 'kernel' else 'of at least'} 0; got"
                f" {value!r}."
            )
    known: dict[str, Any] = {"fill": fill, "probability": probability, "at_once": at_once}
    numbers, kind = segmented(pictures, size, cells, segments)
    numbers = numbers.cpu()
    counts = [int(one.max()) + 1 for one in numbers]
    if samples <= max(counts):
        raise MethodError(
            f"Expected more samples than segments, or nothing can be fitted; got samples={samples}"
            f" for {max(counts)} {kind}. Take samples=1000, or fewer cells."
        )
    drawn = [_random_switches(samples, count, seed) for count in counts]
    step = max(1, at_once // len(numbers))
    left = torch.cat(
        [
            shown(
                torch.stack(
                    [z[s : s + step][:, own] for z, own in zip(drawn, numbers, strict=True)], dim=1
                ),
                **known,
            )
            for s in range(0, samples, step)
        ]
    ).double()
    found, fits, each = [], [], len(numbers)
    for r in range(len(scores)):
        weights, fit = fitted(drawn[r % each].double(), left[:, r], float(kernel), float(ridge))
        found.append(weights[numbers[r % each]])
        fits.append(fit)
    note(f"coefficient of determination of a linear fit to {_range_of(counts)} {kind}", fits)
    return torch.stack(found)


def fitted(
    z: Float[Tensor, "n k"], scores: Float[Tensor, " n"], kernel: float, ridge: float
) -> tuple[Tensor, float]:
    """The coefficients `[k]` of the weighted ridge, and its coefficient of determination.

    >>> all_of_two = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
    >>> fitted(all_of_two, torch.tensor([5.0, 3.0, 2.0, 0.0]).double(), 1.0, 0.0)[0].round(
    ...     decimals=9
    ... )
    tensor([3., 2.], dtype=torch.float64)
    """
    distance = 1 - (z.sum(1) / z.shape[1]).sqrt()
    near = (-(distance**2) / kernel**2).exp()
    centre, mean = (near @ z) / near.sum(), (near @ scores) / near.sum()  # these make the intercept
    root = near.sqrt().unsqueeze(1)
    rows = torch.cat(
        [root * (z - centre), ridge**0.5 * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)]
    )
    sought = torch.cat([root.squeeze(1) * (scores - mean), scores.new_zeros(z.shape[1])])
    weights = torch.linalg.lstsq(rows, sought.unsqueeze(1), driver="gelsd").solution.squeeze(1)
    error = near @ (scores - mean - (z - centre) @ weights) ** 2
    spread = near @ (scores - mean) ** 2
    return weights, float(1 - error / spread) if spread > 0 else float("nan")


def _random_switches(samples: int, count: int, seed: int) -> Tensor:
    """Which segments each sample shows, `[samples, count]` of 0 and 1; the first shows all."""
    generator = torch.Generator("cpu").manual_seed(seed)
    z = torch.randint(2, (samples, count), generator=generator, device="cpu").float()
    z[0] = 1
    return z


def _range_of(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
