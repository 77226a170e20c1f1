"""How far a figure can be trusted: the percentile bootstrap over images (Efron 1979)."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from sightline.errors import RequestError, near
from sightline.evaluation.statistics.resample import Resamples, flat

Values = Float[np.ndarray, "n *k"]
"""What the images contributed, one row each: a number, or a small vector. nan is 'nothing to say'.
"""

Columns = Mapping[str, Any]
"""What a summary may ask for besides `values`, by name: arrays with one entry an image, or anything
else as it is.
"""

Of = Callable[..., Any]
"""Rows to one figure; parameter names are requests: `values`, `classes`, the protocol's fields."""


@dataclass(frozen=True)
class Interval:
    """A figure and the interval around it.

    `n` images say something; `low` and `high` are nan where fewer than two do.
    """

    estimate: float
    low: float
    high: float
    n: int


def bootstrap(
    of: Of,
    values: Values,
    columns: Columns | None = None,
    *,
    n: int = 2000,
    seed: int = 0,
    level: int | float = 0.95,
) -> Interval:
    """A figure of some images with its percentile interval: what it is on `n` resampled sets of as
    many images.

    `of` takes what its parameter names ask for: `values` `[images]` or `[images, k]`, and of
    `columns` whatever it names; an array there with one entry an image is resampled with it. An
    image whose values are all nan is left out. The interval holds the central `level` share of the
    resampled figures. It supposes that images were drawn independently of each other; with few
    images (below some 30) it is too narrow. The same rows in the same order give the same interval,
    whatever else was computed before.

    Figures that depend on the columns' means alone (most do; it is found out by trying) are
    resampled as means: a million images take seconds.

    Raises `RequestError` where `of` asks for something that is neither `values` nor among
    `columns`.

    >>> bootstrap(lambda values: values.mean(), np.array([1.0, 1.0, np.nan, 1.0]))
    Interval(estimate=1.0, low=1.0, high=1.0, n=3)
    """
    drawn = replicates(of, values, columns or {}, Resamples(len(values), n, seed))
    return interval(estimate(of, values, columns or {}), drawn, int(speaks(values).sum()), level)


def estimate(of: Of, values: Values, columns: Columns | None = None) -> float:
    """The figure of the images that say something; nan where none does."""
    kept = speaks(values)
    return (
        float(_asker(of, columns or {}, len(values))(values[kept], kept))
        if kept.any()
        else float("nan")
    )


def interval(
    figure: int | float, drawn: Float[np.ndarray, "r"], n: int, level: int | float
) -> Interval:
    """The central share `level` of the resampled figures.

    One image is no sample: it has no interval.
    """
    finite = drawn[np.isfinite(drawn)]
    if n < 2 or not finite.size:
        return Interval(float(figure), float("nan"), float("nan"), n)
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(figure), float(low), float(high), n)


def speaks(values: Values) -> Bool[np.ndarray, "n"]:
    """Which images say something: at least one of their numbers is one."""
    return np.asarray(np.isfinite(flat(values)).any(1))


def replicates(
    of: Of, values: Values, columns: Columns, resamples: Resamples
) -> Float[np.ndarray, "r"]:
    """The figure on each resampled set of images."""
    kept = speaks(values)
    if not kept.any():
        return np.full(resamples.count, np.nan)
    ask = _asker(of, columns, len(values))
    everybody = np.ones(1, bool)
    if _is_of_means(ask, values, kept):
        means = resamples.means(values)
        weights = _affine(ask, means[: min(len(means), 8)])
        if weights is not None:
            asked = np.flatnonzero(
                weights[1:]
            )  # of the others it is all the same whether they say anything
            return np.asarray(flat(means)[:, asked] @ weights[1 + asked] + weights[0])
        return np.array([ask(row[None], everybody) for row in means], np.float64)
    found = np.full(resamples.count, np.nan)
    for k in range(resamples.count):
        rows = resamples.rows(k)
        rows = rows[kept[rows]]
        if rows.size:
            found[k] = ask(values[rows], rows)
    return found


def _asker(
    of: Of, columns: Columns, images: int
) -> Callable[[Values, Shaped[np.ndarray, "..."]], float]:
    """`of` as a function of some images' values and of which they are; whatever else it asks for is
    bound once.
    """
    arrays: dict[str, Any] = {}
    given: dict[str, Any] = {}
    for name, parameter in inspect.signature(of).parameters.items():
        if name == "values":
            continue
        if name in columns:
            one = columns[name]
            ours = (
                arrays
                if isinstance(one, np.ndarray) and one.ndim > 0 and len(one) == images
                else given
            )
            ours[name] = one
        elif parameter.default is parameter.empty:
            offered = ["values", *columns]
            raise RequestError(
                f"Expected a summary that asks for `values` and what goes with them; {of} asks for"
                f" {name!r}. {near(name, offered)}"
            )
    if not arrays:
        return lambda values, _: float(of(values=values, **given))
    return lambda values, which: float(
        of(values=values, **given, **{k: v[which] for k, v in arrays.items()})
    )


def _is_of_means(ask: Callable[..., float], values: Values, kept: Bool[np.ndarray, "n"]) -> bool:
    """Whether the figure says of images what it says of their mean alone: tried on all and on eight
    random sets.
    """
    own = values[kept]
    generator = np.random.default_rng(0)
    sets = [np.arange(len(own))] + [
        generator.integers(0, len(own), 3 + len(own) // 2**k) for k in range(8)
    ]
    try:
        for rows in sets:
            some = own[rows]
            if not np.isfinite(some).all():
                with np.errstate(invalid="ignore"):
                    said = np.isfinite(some)
                    mean = np.where(said, some, 0.0).sum(0) / said.sum(0)
            else:
                mean = some.mean(0)
            one, other = ask(some, rows), ask(np.asarray(mean)[None], np.ones(1, bool))
            if not np.isclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True):
                return False
    except Exception:  # of one row it may say nothing, or it asks for the images' own classes: then it is tried in full
        return False
    return True


def _affine(
    ask: Callable[..., float], means: Float[np.ndarray, "t *k"]
) -> Float[np.ndarray, "k1"] | None:
    """Constant and weights, where the figure of the means is a weighted sum of them; None where it
    is not.
    """
    rows = flat(means)
    one = np.ones(1, bool)

    def at(row: Float[np.ndarray, "k"]) -> float:
        return ask(row.reshape(1, *means.shape[1:]), one)

    constant = at(np.zeros(rows.shape[1]))
    weights = np.array([constant, *(at(unit) - constant for unit in np.eye(rows.shape[1]))])
    told = np.array([at(row) for row in rows])
    said = rows @ weights[1:] + weights[0]
    return (
        weights
        if np.isfinite(weights).all() and np.allclose(said, told, rtol=1e-9, atol=1e-12)
        else None
    )
