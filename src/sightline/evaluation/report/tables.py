"""The tables of a report as they are printed, and its findings in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

from sightline.evaluation.report.summary import Pair, Score, Summary
from sightline.evaluation.report.wording import (
    between,
    count,
    direction,
    heading,
    named,
    probability,
    title_of,
    written,
)
from sightline.evaluation.statistics.compare import FEW
from sightline.metrics.metric import Metric


@dataclass(frozen=True)
class Cell:
    """A figure as it is printed, with its interval and what is to be said of its images.

    `bold` where a method stands out; `fools` where a control beats every method.
    """

    text: str
    interval: str = ""
    bold: bool = False
    note: str = ""
    fools: bool = False


@dataclass(frozen=True)
class Printed:
    """A table as it is printed: a label and cells a line, and a note to each line.

    `key` names it in labels.
    """

    key: str
    title: str
    head: Sequence[str]
    lines: Sequence[tuple[str, Sequence[Cell]]]
    notes: Sequence[str] = ()


def score_tables(summary: Summary) -> list[Printed]:
    """A table for each group of metrics: figures down, methods and controls across."""
    found = []
    for group in dict.fromkeys(metric.group for metric in summary.metrics.values()):
        lines, notes = [], []
        for metric, figure in summary.figures():
            scores = [summary.score(metric.name, figure, method) for method in summary.everybody]
            if metric.group == group and any(one is not None and one.n for one in scores):
                best, fooling = (
                    summary.stands_out(metric.name, figure),
                    summary.fooled_by(metric.name, figure),
                )
                said = [one.n for one in scores if one is not None]
                same = len(set(said)) == 1
                notes.append(count(said[0], "image") if same and said[0] < summary.images else "")
                lines.append(
                    (
                        heading(metric, figure),
                        [
                            _cell(
                                one,
                                metric,
                                name == best,
                                name in fooling,
                                None if same else summary.images,
                            )
                            for name, one in zip(summary.everybody, scores, strict=True)
                        ],
                    )
                )
        if lines:
            title = group[:1].upper() + group[1:] if group else "Metrics"
            found.append(
                Printed(
                    group or "metrics",
                    title,
                    [title_of(name) for name in summary.everybody],
                    lines,
                    notes,
                )
            )
    return found


def group_tables(summary: Summary, by: str, most: int = 40) -> list[Printed]:
    """A table for each metric, its first figure: groups down, methods and controls across."""
    found = []
    for metric in summary.metrics.values():
        figure = next(iter(metric.figures))
        lines = []
        for group in summary.breakdowns[by][:most]:
            scores = [
                summary.score(metric.name, figure, method, by, group)
                for method in summary.everybody
            ]
            if any(one is not None and one.n for one in scores):
                n = max(one.n for one in scores if one is not None)
                lines.append(
                    (f"{group} ({count(n, 'image')})", [_cell(one, metric) for one in scores])
                )
        if lines:
            head = [title_of(name) for name in summary.everybody]
            found.append(Printed(f"by_{by}_{metric.name}", heading(metric, figure), head, lines))
    return found


def win_table(summary: Summary) -> Printed | None:
    """On what share of the images the method of a line beats that of a column.

    Ties and the sign test stand beside.
    """
    if not any(one.n for one in summary.wins.values()):
        return None
    from sightline.evaluation.report.wording import first_metric

    name = first_metric(summary.metrics)
    metric = summary.metrics[str(name)]
    lines = []
    for a in summary.everybody:
        cells = []
        for b in summary.everybody:
            one = summary.wins.get((a, b))
            if one is None or not one.n:
                cells.append(Cell(""))
                continue
            shares = [100 * share.estimate for share in (one.win, one.tie)]
            pair = summary.pair(metric.name, next(iter(metric.figures)), a, b)
            p = (
                f", p {probability(pair.signs.p)}"
                if pair is not None and pair.signs is not None
                else ""
            )
            p = p.replace("p <", "p < ").replace("p 0", "p = 0").replace("p 1", "p = 1")
            interval = between(100 * one.win.low, 100 * one.win.high, "%")
            cells.append(
                Cell(
                    f"{written(shares[0], '%')} %",
                    interval,
                    False,
                    f"ties {written(shares[1], '%')} %{p}",
                )
            )
        lines.append((title_of(a), cells))
    return Printed(
        "wins", heading(metric, metric.title), [title_of(name) for name in summary.everybody], lines
    )


def pair_lines(summary: Summary) -> list[tuple[str, list[tuple[str, str, Cell, str, str]]]]:
    """For each figure its comparisons.

    They are first method, second, difference, p, and images better / equal / worse.
    """
    found = []
    for metric, figure in summary.figures():
        lines = []
        for one in summary.pairs:
            if (one.metric, one.figure) == (metric.name, figure) and one.paired.n:
                cell = Cell(
                    written(one.paired.difference, metric.unit, signed=True),
                    between(one.paired.low, one.paired.high, metric.unit, signed=True),
                    one.paired.clear,
                )
                lines.append(
                    (
                        title_of(one.a),
                        title_of(one.b),
                        cell,
                        probability(one.paired.p),
                        _signs(one, metric),
                    )
                )
        if lines:
            found.append((heading(metric, figure), lines))
    return found


def findings(summary: Summary) -> list[str]:
    """Of each group of metrics the first figure with a direction, in a sentence."""
    found, told = [], set()
    for metric, figure in summary.figures():
        best = summary.best(metric.name, figure)
        if best is None or metric.group in told:
            continue
        told.add(metric.group)
        score = summary.score(metric.name, figure, best)
        assert score is not None, "the best has a score"
        unit = f" {metric.unit}" if metric.unit else ""
        text = f"{named(metric, figure)} ({direction(metric)}): {title_of(best)} is best with "
        text += (
            f"{written(score.estimate, metric.unit)}{unit}"
            f" {between(score.low, score.high, metric.unit)}"
        )
        found.append(
            text.rstrip()
            + _margin(summary, metric, figure, best)
            + _beside(summary, metric, figure)
            + "."
        )
    return found


def failure_lines(summary: Summary) -> list[tuple[str, str, str]]:
    """Errors: image, methods, what was wrong.

    What went wrong for several methods in the same way is said once.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for one in summary.failures:
        who = found.setdefault((one.image, one.error), [])
        if one.method not in who:
            who.append(one.method)
    return [
        (
            image,
            "all" if len(who) == len(summary.everybody) else ", ".join(map(title_of, who)),
            error,
        )
        for (image, error), who in found.items()
    ]


def _margin(summary: Summary, metric: Metric, figure: str, best: str) -> str:
    """How the best method stands to the others."""
    pairs = [
        summary.pair(metric.name, figure, best, name) for name in summary.methods if name != best
    ]
    close = [one for one in pairs if one is not None and not one.paired.excludes_zero]
    if not pairs:
        return ""
    n = min(one.paired.n for one in pairs if one is not None)
    if n < FEW:
        return f"; {count(n, 'image is', 'images are')} too few to tell methods apart"
    if not close:
        return "; the interval of its difference to every other method excludes 0"
    said = [
        f"{title_of(one.b)} ({written(one.paired.difference, metric.unit, signed=True)} "
        f"{between(one.paired.low, one.paired.high, metric.unit, signed=True)})"
        for one in close
    ]
    return f"; but the difference to {' and '.join(said)} may be chance"


def _beside(summary: Summary, metric: Metric, figure: str) -> str:
    """How the best method stands to the controls, where one takes the finding's worth away."""
    better, equal = summary.fooled_by(metric.name, figure), summary.blind_to(metric.name, figure)
    controls = better or equal
    if not controls:
        return ""
    explain, are = ("explains", "is") if len(controls) == 1 else ("explain", "are")
    verdict = "better still" if better else "not told apart from it"
    return f"; {' and '.join(map(title_of, controls))}, which {explain} nothing, {are} {verdict}"


def _cell(
    one: Score | None,
    metric: Metric,
    bold: bool = False,
    fools: bool = False,
    images: int | None = None,
) -> Cell:
    """`images` is how many there are, where it is to be said that not all of them count."""
    if one is None or not one.n:
        return Cell(written(float("nan")))
    note = f"n = {one.n:,}" if images is not None and one.n < images else ""
    return Cell(
        written(one.estimate, metric.unit),
        between(one.low, one.high, metric.unit),
        bold,
        note,
        fools,
    )


def _signs(one: Pair, metric: Metric) -> str:
    if one.signs is None:
        return ""
    s = one.signs
    better, worse = (
        (s.smaller, s.larger) if metric.higher_is_better is False else (s.larger, s.smaller)
    )
    return f"{better:,} / {s.ties:,} / {worse:,}, p {probability(s.p)}"
