"""What a metric is: measurements to what each image contributes, and rows to a figure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

Values = Float[np.ndarray, "n *k"]
"""What the images contributed, one row each: a number, or a small vector. nan is 'nothing to say',
counted apart.
"""

Summary = Callable[..., float]
"""Rows to one figure. Parameter names are requests: `values`, and whatever else it names of
`classes` (the class each row is about) and the protocol's fields."""

Function = TypeVar("Function", bound=Callable[..., Any])
FigureFunction = TypeVar("FigureFunction", bound=Summary)


@dataclass(frozen=True)
class Metric:
    """What is to be said about a metric in a table, and how to summarise it.

    `figures` are the numbers a report prints, by title; all have the metric's unit and direction,
    and are multiplied with `scale` to be in that unit. Those that follow from the columns' means
    say so with `of_column_means`. `higher_is_better` is None where neither end
    is good. `axis` is the field of the protocol along which a vector runs, for a curve; None where
    its entries are something else.
    """

    name: str
    function: Callable[..., Any]
    title: str
    group: str
    higher_is_better: bool | None
    unit: str
    scale: int | float
    figures: Mapping[str, Summary]
    axis: str | None
    paper: str


def of_column_means(*, weighted: bool) -> Callable[[FigureFunction], FigureFunction]:
    """Declare that a figure knows the images by their columns' means alone, as most figures do.

    On rows without gaps it says what it says of the single row of their means. Its interval then
    needs the means of each resampled set and no more: a million images take seconds. `weighted`
    figures are, besides, a constant and a weighted sum of those means, each over what the column
    has. A figure without the declaration is computed on every resampled set in full.

    >>> @of_column_means(weighted=False)
    ... def largest(values):
    ...     return values.mean(0).max()
    >>> largest.of_column_means
    'any'
    """

    def declared(figure: FigureFunction) -> FigureFunction:
        # mypy knows no attributes of functions; the bootstrap asks with getattr
        figure.of_column_means = "weighted" if weighted else "any"  # type: ignore[attr-defined]
        return figure

    return declared


@of_column_means(weighted=True)
def mean(values: Values) -> float:
    """The mean of the rows that say something; nan where none does.

    >>> mean(np.array([1.0, 3.0, np.nan]))
    2.0
    """
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")


def metric(
    *,
    title: str,
    group: str,
    higher_is_better: bool | None,
    unit: str = "",
    scale: int | float = 1,
    figures: Mapping[str, Summary] | None = None,
    axis: str | None = None,
    paper: str = "",
) -> Callable[[Function], Function]:
    """Mark a function as a metric. It stays the function it is; `about(function)` tells.

    >>> @metric(title="Half", group="faithfulness", higher_is_better=True)
    ... def half(full_score):
    ...     return full_score / 2
    >>> half(3.0), about(half).title, list(about(half).figures)
    (1.5, 'Half', ['Half'])
    """

    def marked(function: Function) -> Function:
        # mypy knows no attributes of functions; `about` checks
        function.metric = Metric(  # type: ignore[attr-defined]
            name=function.__name__,
            function=function,
            title=title,
            group=group,
            higher_is_better=higher_is_better,
            unit=unit,
            scale=scale,
            figures=dict(figures) if figures else {title: mean},
            axis=axis,
            paper=paper,
        )
        return function

    return marked


def about(function: Callable[..., Any]) -> Metric:
    """What was said of a metric's function."""
    found = getattr(function, "metric", None)
    assert isinstance(found, Metric), f"{function} is no metric: write @metric(...) above it"
    return found
