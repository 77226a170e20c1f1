"""How far a figure can be trusted: the percentile bootstrap over images (Efron 1979)."""

import inspect
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from sightline.errors import RequestError, near
from sightline.evaluation.statistics.resample import Resamples, flat

logger = logging.getLogger(__name__)

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
    """A figure of some images with its percentile interval.

    That holds what it is on `n` resampled sets of as many images.

    `of` takes what its parameter names ask for: `values` `[images]` or `[images, k]`, and of
    `columns` whatever it names; an array there with one entry an image is resampled with it. An
    image whose values are all nan is left out. The interval holds the central `level` share of the
    resampled figures. It supposes that images were drawn independently of each other; with few
    images (below some 30) it is too narrow. The same rows in the same order give the same interval,
    whatever else was computed before.

    Figures that are declared to depend on the columns' means alone (`of_column_means`, as
    `metrics.metric.mean` is) are resampled as means: a million images take seconds.

    Raises `RequestError` where `of` asks for something that is neither `values` nor among
    `columns`.

    >>> bootstrap(lambda values: values.mean(), np.array([1.0, 1.0, np.nan, 1.0]))
    Interval(estimate=1.0, low=1.0, high=1.0, n=3)
    """
    drawn = replicates(of, values, columns or {}, Resamples(len(values), n, seed))
    return interval(estimate(of, values, columns or {}), drawn, int(has_value(values).sum()), level)


def estimate(of: Of, values: Values, columns: Columns | None = None) -> float:
    """The figure of the images that say something; nan where none does."""
    kept = has_value(values)
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


def has_value(values: Values) -> Bool[np.ndarray, "n"]:
    """Which images say something: at least one of their numbers is one."""
    return np.asarray(np.isfinite(flat(values)).any(1))


def replicates(
    of: Of, values: Values, columns: Columns, resamples: Resamples
) -> Float[np.ndarray, "r"]:
    """The figure on each resampled set of images."""
    kept = has_value(values)
    if not kept.any():
        return np.full(resamples.count, np.nan)
    ask = _asker(of, columns, len(values))
    declared = getattr(of, "of_column_means", None)  # see `metrics.metric.of_column_means`
    if declared is not None:
        found = flat(values[kept])
        weights = _weights(ask, values.shape[1:]) if declared == "weighted" else None
        asked = np.arange(found.shape[1]) if weights is None else np.flatnonzero(weights[1:])
        # a mean over rows with gaps in several columns is no mean of their means; of one it is
        if len(asked) < 2 or np.isfinite(found[:, asked]).all():
            means = resamples.means(values)
            if weights is not None:
                return np.asarray(flat(means)[:, asked] @ weights[1 + asked] + weights[0])
            return np.array([ask(row[None], np.ones(1, bool)) for row in means], np.float64)
        logger.debug("%s is resampled in full: its rows have gaps in several columns", of)
    return _in_full(ask, values, kept, resamples)


def _in_full(
    ask: Callable[..., float], values: Values, kept: Bool[np.ndarray, "n"], resamples: Resamples
) -> Float[np.ndarray, "r"]:
    """The figure of the rows of each set; nan where none of them says anything."""
    found = np.full(resamples.count, np.nan)
    for k in range(resamples.count):
        rows = resamples.rows(k)
        rows = rows[kept[rows]]
        if rows.size:
            found[k] = ask(values[rows], rows)
    return found


def _weights(ask: Callable[..., float], shape: tuple[int, ...]) -> Float[np.ndarray, "k1"]:
    """Constant and weights of a figure that is declared to be a weighted sum of the means."""

    def at(row: Float[np.ndarray, "k"]) -> float:
        return ask(row.reshape(1, *shape), np.ones(1, bool))

    units = np.eye(math.prod(shape))
    constant = at(np.zeros(len(units)))
    return np.array([constant, *(at(unit) - constant for unit in units)])


def _asker(
    of: Of, columns: Columns, images: int
) -> Callable[[Values, Shaped[np.ndarray, "..."]], float]:
    """`of` as a function of some images' values and of which they are.

    Whatever else it asks for is bound once.
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
