"""Rows to figures, with intervals, comparisons, curves, breakdowns and words of caution."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from jaxtyping import Float, Int

from sightline.evaluation.report.cautions import cautions
from sightline.evaluation.report.curves import curves
from sightline.evaluation.report.rows_by_method import RowsByMethod, RunResults
from sightline.evaluation.report.summary import Failure, Pair, Score, Summary
from sightline.evaluation.report.wording import first_metric
from sightline.evaluation.statistics.bootstrap import (
    Columns,
    Of,
    estimate,
    has_value,
    interval,
    replicates,
)
from sightline.evaluation.statistics.compare import Win, common, paired_from, sign_test, win_from
from sightline.evaluation.statistics.resample import Resamples
from sightline.metrics.metric import Metric, about, metric

MOST_GROUPS = 200
"""A breakdown has so many groups at most, the largest ones: each takes some hundred intervals."""

IN_GROUPS = 400
"""A class's interval is made of so many sets: there may be a thousand classes, and their intervals
are wide anyhow.
"""

Metrics = Mapping[str, Callable[..., Any]]
"""Metrics by name, as `sightline.metrics.METRICS` lists them."""


def summarise(
    results: RunResults,
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
    rows = RowsByMethod(results)
    known = _described(rows, metrics)
    setting = Setting(rows, _given(rows), Resamples(len(rows), resamples, seed), level)
    fewer = replace(setting, resamples=setting.resamples.fewer(IN_GROUPS))
    groups = {word: rows.groups(word) for word in ([by] if isinstance(by, str) else by or [])}
    scores: list[Score] = []
    pairs: list[Pair] = []
    for one in known.values():
        measured = rows.measured(one.name)
        for place, (title, of) in enumerate(one.figures.items()):
            figure = Figure(one, title, of, measured)
            of_all = _estimates(setting, figure)
            scores += [_score(setting, figure, name, found) for name, found in of_all.items()]
            pairs += _pairs(setting, figure, of_all)
            if place == 0:  # a breakdown is of a metric's first figure
                for word, some in groups.items():
                    scores += _grouped(fewer, figure, word, some[:MOST_GROUPS])
    summary = Summary(
        run=rows.run,
        images=len(rows),
        methods=rows.methods,
        controls=rows.controls,
        metrics=known,
        scores=scores,
        pairs=pairs,
        wins=_wins(setting, known),
        curves=curves(rows, known, setting.resamples, level),
        failures=_failures(rows),
        level=float(level),
        resamples=resamples,
        layers=_layers(rows),
        breakdowns={
            word: [name for name, _ in some[:MOST_GROUPS]] for word, some in groups.items()
        },
    )
    left_out = {
        word: len(some) - MOST_GROUPS for word, some in groups.items() if len(some) > MOST_GROUPS
    }
    return replace(summary, cautions=cautions(summary, rows, left_out))


@dataclass(frozen=True, eq=False)
class Setting:
    """What all figures of a summary share: the rows, what a figure may ask for, the resamples."""

    rows: RowsByMethod
    given: Columns
    resamples: Resamples
    level: int | float


@dataclass(frozen=True, eq=False)
class Figure:
    """One figure of a metric, and what each method's images contribute to it."""

    metric: Metric
    title: str
    of: Of
    measured: Mapping[str, Float[np.ndarray, "n *k"]]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A method's figure on some `images`, and on each resampled set of them, unscaled."""

    images: Int[np.ndarray, "m"]
    figure: float
    resampled: Float[np.ndarray, "r"]


def _described(rows: RowsByMethod, metrics: Metrics | None) -> dict[str, Metric]:
    """The metrics that the rows hold, in the order of the run, by group."""
    if metrics is None:
        from sightline import metrics as family

        metrics = getattr(family, "METRICS", {})
    names = [name for name in rows.run.get("metrics", metrics) if name in rows]
    found = [about(metrics[name]) if name in metrics else _unknown(name) for name in names]
    groups = list(dict.fromkeys(one.group for one in found))
    return {one.name: one for one in sorted(found, key=lambda one: groups.index(one.group))}


def _unknown(name: str) -> Metric:
    def described_nowhere(full_score: Any) -> Any: ...

    described_nowhere.__name__ = name
    return about(metric(title=name, group="other", higher_is_better=None)(described_nowhere))


def _given(rows: RowsByMethod) -> Columns:
    """What a figure may ask for: the class each row is about, and the protocol's fields."""
    fields = {
        k: tuple(v) if isinstance(v, list) else v
        for k, v in (rows.run.get("protocol") or {}).items()
    }
    return {**fields, "classes": rows.codes("target")} if "target" in rows else fields


def _estimates(setting: Setting, figure: Figure) -> dict[str, Estimate]:
    """The figure of everybody, on all images."""
    every = np.arange(len(setting.rows))
    return {
        name: Estimate(
            every,
            estimate(figure.of, figure.measured[name], setting.given),
            replicates(figure.of, figure.measured[name], setting.given, setting.resamples),
        )
        for name in setting.rows.all
    }


def _grouped(
    setting: Setting, figure: Figure, by: str, groups: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[Score]:
    """The figure of everybody in each group."""
    scores = []
    for group, positions in groups:
        for name in setting.rows.all:
            images = positions[name]
            values = figure.measured[name][images]
            given = {
                word: one[images] if isinstance(one, np.ndarray) else one
                for word, one in setting.given.items()
            }
            found = Estimate(
                images,
                estimate(figure.of, values, given),
                replicates(figure.of, values, given, setting.resamples.among(images)),
            )
            scores.append(replace(_score(setting, figure, name, found), by=by, group=group))
    return scores


def _score(setting: Setting, figure: Figure, method: str, found: Estimate) -> Score:
    """An estimate in the metric's unit, with the number of images behind it and missing."""
    rows, images, scale = setting.rows, found.images, figure.metric.scale
    n = int(has_value(figure.measured[method][images]).sum())
    errors = int(rows.failed[method][images].sum())
    missing = int((~rows.absent[method][images]).sum()) - n - errors
    around = interval(scale * found.figure, scale * found.resampled, n, setting.level)
    return Score(
        figure.metric.name,
        figure.title,
        method,
        around.estimate,
        around.low,
        around.high,
        n,
        missing,
        errors,
    )


def _pairs(setting: Setting, figure: Figure, of_all: Mapping[str, Estimate]) -> list[Pair]:
    """Each method against each other one and each control, on the images both say something of."""
    rows, metric = setting.rows, figure.metric
    pairs = []
    for a, b in itertools.combinations(rows.all, 2):
        if a in rows.controls and b in rows.controls:
            continue
        ours, theirs = figure.measured[a], figure.measured[b]
        difference = of_all[a].figure - of_all[b].figure
        resampled = of_all[a].resampled - of_all[b].resampled
        if (has_value(ours) != has_value(theirs)).any():
            ours, theirs = common(ours, theirs)
            difference, resampled = _difference(setting, figure.of, ours, theirs)
        n = int(has_value(ours).sum())
        found = paired_from(metric.scale * difference, metric.scale * resampled, n, setting.level)
        signs = sign_test(ours, theirs) if ours.ndim == 1 else None
        pairs.append(Pair(metric.name, figure.title, a, b, found, signs))
    return pairs


def _difference(
    setting: Setting, of: Of, ours: Float[np.ndarray, "n *k"], theirs: Float[np.ndarray, "n *k"]
) -> tuple[float, Float[np.ndarray, "r"]]:
    given, resamples = setting.given, setting.resamples
    difference = estimate(of, ours, given) - estimate(of, theirs, given)
    return difference, replicates(of, ours, given, resamples) - replicates(
        of, theirs, given, resamples
    )


def _wins(setting: Setting, known: Mapping[str, Metric]) -> dict[tuple[str, str], Win]:
    """Each method against each other and the controls, by the metric of wins: Average Drop."""
    name = first_metric(known)
    if name is None:
        return {}
    measured = setting.rows.measured(name)
    if any(values.ndim > 1 for values in measured.values()):
        return {}
    higher = known[name].higher_is_better is True
    return {
        (a, b): win_from(measured[a], measured[b], higher, setting.resamples, setting.level)
        for a, b in itertools.permutations(setting.rows.all, 2)
    }


def _layers(rows: RowsByMethod) -> list[str]:
    if "layer" not in rows:
        return []
    return sorted(name for name in pc.unique(rows.table["layer"]).to_pylist() if name)


def _failures(rows: RowsByMethod) -> list[Failure]:
    failed = np.concatenate([rows.at[name][rows.failed[name]] for name in rows.all])
    some = rows.table.select(["item", "image", "method", "error"]).take(failed).to_pylist()
    return sorted(
        (Failure(**one) for one in some), key=lambda one: (one.item, rows.all.index(one.method))
    )
