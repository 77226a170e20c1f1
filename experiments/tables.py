"""From rows to a page: what the experiments share. Every interval is `sightline.results`' own."""

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from networks import ROOT
from torch import nn

import sightline
from sightline.datasets import Data, open_data
from sightline.evaluation.report import Paired, Summary
from sightline.evaluation.report.wording import (
    between,
    probability,
    protocol_sentences,
    title_of,
    written,
)
from sightline.evaluation.store import Results
from sightline.methods import grad_cam_pp
from sightline.protocol import Protocol

PAGES = Path(__file__).resolve().parents[1] / "docs" / "results"
OUT = Path(__file__).resolve().parents[1] / "out" / "experiments"
CONTROLS = ("fake_cam", "random", "centre", "edge")
NO = "no difference shown"


def grad_cam_pp_authors(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
    """Grad-CAM++ as in the authors' released code: alpha divided by its sum over positive
    positions.
    """
    return grad_cam_pp(activations, gradients, alpha="authors")


TITLES = {
    "grad_cam_pp_authors": "Grad-CAM++ (authors' code)",
    "grad_cam_pp_softmax": "Grad-CAM++ (softmax)",
}
"""What methods of our own are called in tables; each program adds its own."""


def arguments(words: str | None) -> argparse.Namespace:
    """The options that every experiment has."""
    parser = argparse.ArgumentParser(description=(words or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT, help="the development data")
    parser.add_argument(
        "--limit", type=int, help="at most so many images of each data set, evenly spaced"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT, help="a folder for the rows; a stopped run goes on there"
    )
    parser.add_argument("--pages", type=Path, default=PAGES, help="a folder for the page")
    return parser.parse_args()


def ready(net: nn.Module) -> nn.Module:
    """A network for a busy processor: one thread, and channels last in memory (the same numbers to
    1e-6).
    """
    torch.set_num_threads(1)
    return net.to(memory_format=torch.channels_last)


def measured(
    net: nn.Module,
    data: Any,
    methods: Sequence[Any],
    metrics: str,
    place: Path,
    *,
    limit: int | None,
    protocol: Protocol,
    classes: Any = None,
    batch: int = 16,
) -> Results:
    """The rows of one network on one data set, `run["seconds"]` with them; those in `place` are not
    made again.
    """
    if not isinstance(data, Data):
        data = open_data(data, limit=limit)
    folder, start = place / f"{len(data)}-{protocol.digest[:6]}", time.monotonic()
    new: list[int] = []
    found = sightline.evaluate(
        ready(net),
        data,
        methods,
        metrics,
        protocol=protocol,
        out=folder,
        class_map=classes,
        batch_size=batch,
        part_size=64,
        views=0,
        progress=new.append,
    )
    clock = folder / "seconds"
    seconds = (float(clock.read_text()) if clock.exists() else 0.0) + (
        time.monotonic() - start if new else 0.0
    )
    clock.write_text(f"{seconds:.1f}")
    found.run["seconds"] = seconds
    return found


def made_by(program: str, summaries: Iterable[Summary]) -> str:
    """The command that makes a page, and what it took, whenever it was that its rows were made."""
    seconds = sum(one.run["seconds"] for one in summaries)
    return (
        f"Made by `python experiments/{program}`; its rows took {seconds:,.0f} s (one thread of a"
        " shared processor)."
    )


def only(data: Data, mapping: Mapping[str, str | None]) -> Data:
    """The records that show a class with an entry in `mapping`; of their labels those that have
    one.
    """
    kept = [
        replace(one, labels=tuple(n for n in one.labels if mapping.get(n))) for one in data.records
    ]
    return replace(data, records=[one for one in kept if one.labels])


def part(results: Results, keep: Callable[[Mapping[str, Any]], bool]) -> Results:
    """The rows that are to be kept, as results."""
    return replace(
        results, rows=results.rows.filter([keep(row) for row in results.rows.to_pylist()])
    )


def named(method: str) -> str:
    """A method as people write it."""
    return TITLES.get(method) or title_of(method)


def score(summary: Summary, metric: str, figure: str, method: str, *, interval: bool = True) -> str:
    """A figure with its interval, as a cell."""
    one, unit = summary.score(metric, figure, method), summary.metrics[metric].unit
    if one is None or not one.n:
        return "–"
    return written(one.estimate, unit) + (
        f" {between(one.low, one.high, unit)}" if interval else ""
    )


def gap(summary: Summary, metric: str, figure: str, a: str, b: str) -> Paired | None:
    """The first method minus the second, paired; None where one of them was not measured."""
    one = summary.pair(metric, figure, a, b)
    return None if one is None or not one.paired.n else one.paired


def gap_cell(one: Paired | None, unit: str = "%") -> str:
    """A difference with its interval, one decimal more than the figures have, and a word where it
    holds 0.

    >>> (
    ...     gap_cell(Paired(-0.04, -0.07, -0.01, 0.01, 50)),
    ...     gap_cell(Paired(0.1, -0.2, 0.4, 0.6, 50), ""),
    ... )
    ('−0.04 [−0.07, −0.01]', '+0.1000 [−0.2000, +0.4000], no difference shown')
    """
    if one is None:
        return "–"
    told = [
        f"{x + 0.0:+.{2 if unit == '%' else 4}f}".replace("-", "−")
        for x in (one.difference, one.low, one.high)
    ]
    cell = f"{told[0]} [{told[1]}, {told[2]}]" if "nan" not in told[1] else told[0]
    return cell if one.excludes_zero else f"{cell}, {NO}"


def win_cell(summary: Summary, a: str, b: str) -> str:
    """Win % of the first over the second by Average Drop, ties, and the sign test's p."""
    one, pair = summary.wins.get((a, b)), summary.pair("average_drop", "Average Drop", a, b)
    if one is None or not one.n or pair is None or pair.signs is None:
        return "–"
    shares = f"{100 * one.win.estimate:.1f} {between(100 * one.win.low, 100 * one.win.high, '%')}"
    ties = f"; ties {100 * one.tie.estimate:.1f}" if one.tie.estimate else ""
    p = probability(pair.signs.p)
    return f"{shares}{ties}; p {p.replace('<', '< ') if p.startswith('<') else '= ' + p}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, the first column left, the others right, with an empty line behind it."""
    rows = [list(head), ["---", *("---:" for _ in head[1:])], *map(list, lines)]
    return [f"| {' | '.join(row)} |" for row in rows] + [""]


def how(run: Mapping[str, Any], more: str = "") -> list[str]:
    """The protocol in words with its digest, as it stands under every table's heading."""
    words = " ".join(protocol_sentences(run))
    return [f"Protocol `{run['protocol_digest']}`: {words}{' ' + more if more else ''}", ""]


def verdict(claim: str, gaps: Mapping[str, Paired | None], higher_is_better: bool) -> str:
    """On which of several occasions the first method does better, does worse, or cannot be told
    apart.

    >>> verdict(
    ...     "Smaller drop",
    ...     {"A": Paired(-2.0, -3.0, -1.0, 0.01, 9), "B": Paired(-1.0, -3.0, 1.0, 0.4, 9)},
    ...     False,
    ... )
    '**Smaller drop:** better on 1 of 2 (A), worse on none, no difference shown on 1 (B).'
    """
    known = {name: one for name, one in gaps.items() if one is not None}
    sure = {
        name: (one.difference > 0) == higher_is_better
        for name, one in known.items()
        if one.excludes_zero
    }
    groups = (
        [name for name, better in sure.items() if better],
        [name for name, better in sure.items() if not better],
        [name for name in known if name not in sure],
    )
    told = [f"{len(names)} ({', '.join(names)})" if names else "none" for names in groups]
    if groups[0]:
        told[0] = f"{len(groups[0])} of {len(known)} ({', '.join(groups[0])})"
    return f"**{claim}:** better on {told[0]}, worse on {told[1]}, {NO} on {told[2]}."


def fooled(summaries: Mapping[str, Summary], figures: Sequence[tuple[str, str]]) -> list[str]:
    """A table of controls that beat the best method, their paired interval excluding 0."""
    lines = []
    for metric, figure in figures:
        known = [
            one for one in summaries.values() if metric in one.metrics and one.best(metric, figure)
        ]
        cells = [
            (
                ", ".join(named(control) for control in one.fooled_by(metric, figure)) or "none"
                if one in known
                else "–"
            )
            for one in summaries.values()
        ]
        if known:
            title = known[0].metrics[metric].title
            lines.append([figure if figure.startswith(title[:3]) else f"{title}, {figure}", *cells])
    return table(["won by a control that explains nothing", *summaries], lines)


def told(sentences: Sequence[str], counted: Sequence[str], whole: bool) -> list[str]:
    """The two headings of a page's answer: what a person says of the whole run, and what the
    intervals count.
    """
    found = (
        ["## What holds", "", *(f"- {one}" for one in sentences), ""] if whole and sentences else []
    )
    return [
        *found,
        "## Claim by claim (an interval that excludes 0 decides)",
        "",
        *(f"- {one}" for one in counted),
        "",
    ]
