"""Rows to figures, with intervals, comparisons, curves, breakdowns and what is to be said of them."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Float

from sightline.evaluation.report.cautions import cautions
from sightline.evaluation.report.curves import curves
from sightline.evaluation.report.rows_by_method import Results, RowsByMethod
from sightline.evaluation.report.summary import Failure, Pair, Score, Summary
from sightline.evaluation.report.wording import first_metric
from sightline.evaluation.statistics.bootstrap import (
    Columns,
    Of,
    estimate,
    interval,
    replicates,
    speaks,
)
from sightline.evaluation.statistics.compare import Win, common, paired_from, sign_test, win_from
from sightline.evaluation.statistics.resample import Resamples
from sightline.metrics.metric import Metric, about, metric

MOST_GROUPS = 200
"""A breakdown has so many groups at most, the largest ones: each takes some hundred intervals."""

Metrics = Mapping[str, Callable[..., Any]]
"""Metrics by name, as `sightline.metrics.METRICS` lists them."""


IN_GROUPS = 400
"""A class's interval is made of so many sets: there may be a thousand classes, and their intervals
are wide anyhow.
"""


def summarise(
    results: Results,
    by: str | Iterable[str] | None = None,
    *,
    level: int | float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    metrics: Metrics | None = None,
) -> Summary:
    """Every number of a report: needs the rows and nothing else, neither the model nor the images.

    - Each metric's every figure for each method, with a bootstrap interval over images (`level` of
      `resamples` resampled sets), the number of images that count, of those that have nothing to
      say (nan), of those that failed.
    - Each pair of methods, paired over the images that both measured; controls against methods too.
    - `by`: also each metric's first figure for each class (`"class"`), tag (`"tag"`) or value of
      any column of words; several in a list. At most the 200 largest groups of each.
    - The same rows give the same summary, in whatever order they stand, to the last bit.

    A column that none of the `metrics` describes is taken for a number with no unit, no direction,
    and the mean. Raises `StoreError` for rows of several protocols, for rows that are there twice,
    and for an unknown `by`.
    """
    board = RowsByMethod(results)
    known = _described(board, metrics)
    drawn = Resamples(len(board), resamples, seed)
    fewer = drawn.fewer(IN_GROUPS)
    words = [by] if isinstance(by, str) else list(by or [])
    groups = {one: board.groups(one) for one in words}
    scores: list[Score] = []
    pairs: list[Pair] = []
    given = _given(board)
    for one in known.values():
        measured = board.measured(one.name)
        for place, (title, of) in enumerate(one.figures.items()):
            scores += _scores(board, one, title, of, measured, given, drawn, level, pairs)
            for word in words if place == 0 else ():
                scores += _grouped(
                    board, one, title, of, measured, given, fewer, level, word, groups[word]
                )
    summary = Summary(
        run=board.run,
        images=len(board),
        methods=board.methods,
        controls=board.controls,
        metrics=known,
        scores=scores,
        pairs=pairs,
        wins=_wins(board, known, drawn, level),
        curves=curves(board, known, drawn, level),
        failures=_failures(board),
        level=float(level),
        resamples=resamples,
        layers=_layers(board),
        breakdowns={
            word: [name for name, _ in some[:MOST_GROUPS]] for word, some in groups.items()
        },
    )
    cut = {
        word: len(some) - MOST_GROUPS for word, some in groups.items() if len(some) > MOST_GROUPS
    }
    return replace(summary, cautions=cautions(summary, board, cut))


def _described(board: RowsByMethod, metrics: Metrics | None) -> dict[str, Metric]:
    """The metrics that the rows hold, in the order of the run, by group."""
    if metrics is None:
        from sightline import metrics as family

        metrics = getattr(family, "METRICS", {})
    names = [name for name in board.run.get("metrics", metrics) if name in board]
    found = [about(metrics[name]) if name in metrics else _unknown(name) for name in names]
    groups = list(dict.fromkeys(one.group for one in found))
    return {one.name: one for one in sorted(found, key=lambda one: groups.index(one.group))}


def _unknown(name: str) -> Metric:
    def described_nowhere(full_score: Any) -> Any: ...

    described_nowhere.__name__ = name
    return about(metric(title=name, group="other", higher_is_better=None)(described_nowhere))


def _given(board: RowsByMethod) -> Columns:
    """What a figure may ask for: the class each row is about, and the protocol's fields."""
    fields = {
        k: tuple(v) if isinstance(v, list) else v
        for k, v in (board.run.get("protocol") or {}).items()
    }
    return {**fields, "classes": board.codes("target")} if "target" in board else fields


def _scores(
    board: RowsByMethod,
    one: Metric,
    title: str,
    of: Of,
    measured: Mapping[str, Float[np.ndarray, "n *k"]],
    given: Columns,
    resamples: Resamples,
    level: int | float,
    pairs: list[Pair],
) -> list[Score]:
    """One figure of everybody; their comparisons are added to `pairs`."""
    drawn = {name: replicates(of, values, given, resamples) for name, values in measured.items()}
    plain = {name: estimate(of, values, given) for name, values in measured.items()}
    for a, b in itertools.combinations(board.all, 2):
        if a in board.controls and b in board.controls:
            continue
        ours, theirs = measured[a], measured[b]
        if (speaks(ours) == speaks(theirs)).all():
            difference, apart = plain[a] - plain[b], drawn[a] - drawn[b]
        else:
            ours, theirs = common(ours, theirs)
            difference = estimate(of, ours, given) - estimate(of, theirs, given)
            apart = replicates(of, ours, given, resamples) - replicates(
                of, theirs, given, resamples
            )
        found = paired_from(
            one.scale * difference, one.scale * apart, int(speaks(ours).sum()), level
        )
        pairs.append(
            Pair(one.name, title, a, b, found, sign_test(ours, theirs) if ours.ndim == 1 else None)
        )
    return [
        _score(
            board,
            one,
            title,
            name,
            measured[name],
            np.arange(len(board)),
            plain[name],
            drawn[name],
            level,
        )
        for name in board.all
    ]


def _grouped(
    board: RowsByMethod,
    one: Metric,
    title: str,
    of: Of,
    measured: Mapping[str, Float[np.ndarray, "n *k"]],
    given: Columns,
    resamples: Resamples,
    level: int | float,
    by: str,
    groups: Sequence[tuple[str, Mapping[str, Any]]],
) -> list[Score]:
    """One figure of everybody in each group."""
    found = []
    for group, places in groups[:MOST_GROUPS]:
        for name in board.all:
            own = places[name]
            some = {k: v[own] if isinstance(v, np.ndarray) else v for k, v in given.items()}
            values = measured[name][own]
            plain, drawn = (
                estimate(of, values, some),
                replicates(of, values, some, resamples.among(own)),
            )
            score = _score(board, one, title, name, values, own, plain, drawn, level)
            found.append(replace(score, by=by, group=group))
    return found


def _score(
    board: RowsByMethod,
    one: Metric,
    title: str,
    method: str,
    values: Float[np.ndarray, "n *k"],
    own: Any,
    plain: float,
    drawn: Float[np.ndarray, "r"],
    level: int | float,
) -> Score:
    n, errors = int(speaks(values).sum()), int(board.failed[method][own].sum())
    missing = int((~board.absent[method][own]).sum()) - n - errors
    found = interval(one.scale * plain, one.scale * drawn, n, level)
    return Score(one.name, title, method, found.estimate, found.low, found.high, n, missing, errors)


def _wins(
    board: RowsByMethod, known: Mapping[str, Metric], resamples: Resamples, level: int | float
) -> dict[tuple[str, str], Win]:
    """Each method against each other one (and the controls), by the metric that wins are about:
    Average Drop.
    """
    name = first_metric(known)
    if name is None:
        return {}
    measured = board.measured(name)
    if any(values.ndim > 1 for values in measured.values()):
        return {}
    higher = known[name].higher_is_better is True
    both = itertools.permutations(board.all, 2)
    return {(a, b): win_from(measured[a], measured[b], higher, resamples, level) for a, b in both}


def _layers(board: RowsByMethod) -> list[str]:
    if "layer" not in board:
        return []
    return sorted(name for name in pc.unique(board.rows["layer"]).to_pylist() if name)


def _failures(board: RowsByMethod) -> list[Failure]:
    rows = np.concatenate([board.at[name][board.failed[name]] for name in board.all])
    some = board.rows.select(["item", "image", "method", "error"]).take(rows).to_pylist()
    return sorted(
        (Failure(**one) for one in some), key=lambda one: (one.item, board.all.index(one.method))
    )
