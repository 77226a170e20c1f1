"""Pearson's and Spearman's correlation of two maps, which several sanity metrics are made of."""

import torch
from jaxtyping import Float
from torch import Tensor

Rows = Float[Tensor, "b *s"]
"""One row of numbers an image, whatever its axes."""


def pearson(a: Rows, b: Rows) -> Float[Tensor, " b"]:
    r"""Pearson's correlation of each pair of rows: how far one is a straight line of the other.

    $$r = \frac{\sum (a - \bar a)(b - \bar b)}{\sqrt{\sum (a - \bar a)^2 \sum (b - \bar b)^2}}$$

    In [-1, 1], in float64. nan where either is constant (there is no line) or holds something that
    is not finite.

    >>> pearson(
    ...     torch.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]),
    ...     torch.tensor([[5.0, 3.0, 1.0], [1.0, 2.0, 3.0]]),
    ... )
    tensor([-1., nan], dtype=torch.float64)
    """
    x, y = (_away(rows.flatten(1).double()) for rows in (a, b))
    return ((x * y).sum(1) / (x.square().sum(1) * y.square().sum(1)).sqrt()).clamp(-1, 1)


def spearman(a: Rows, b: Rows) -> Float[Tensor, " b"]:
    """Spearman's correlation of each pair of rows: Pearson's of their ranks.

    Tied values share their mean rank. In [-1, 1], in float64. nan where either is constant or holds
    something that is not finite.

    >>> spearman(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.1, 0.2, 0.3]]))
    tensor([1.], dtype=torch.float64)
    """
    finite = (a.flatten(1).isfinite() & b.flatten(1).isfinite()).all(1)
    return torch.where(finite, pearson(ranks(a), ranks(b)), torch.nan)


def ranks(rows: Rows) -> Float[Tensor, "b n"]:
    """The place of each value in its row, from 0; tied values share the mean of their places.

    >>> ranks(torch.tensor([[0.5, 0.0, 0.5, 0.9]]))
    tensor([[1.5000, 0.0000, 1.5000, 3.0000]], dtype=torch.float64)
    """
    values, order = rows.flatten(1).sort(dim=1)
    n = values.shape[1]
    place = torch.arange(n, device=rows.device).expand_as(order)
    begins = torch.ones_like(values, dtype=torch.bool)
    begins[:, 1:] = values[:, 1:] != values[:, :-1]
    first = torch.where(begins, place, 0).cummax(1).values
    ends = begins.roll(-1, 1)  # the first place always begins, so the last always ends
    last = torch.where(ends, place, n).flip(1).cummin(1).values.flip(1)
    return torch.empty_like(values, dtype=torch.float64).scatter_(
        1, order, (first + last).double() / 2
    )


def _away(rows: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Each row less its mean, in units of the furthest, so that no square underflows.

    nan where a row is constant: told by its ends, as its mean may be rounded.
    """
    away = rows - rows.mean(1, keepdim=True)
    away = away / away.abs().amax(1, keepdim=True)
    return torch.where(rows.amax(1, keepdim=True) > rows.amin(1, keepdim=True), away, torch.nan)
