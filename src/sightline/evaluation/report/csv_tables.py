"""The tables of a report as CSV: plain columns of full precision, with their units."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sightline.evaluation.report.curves import Curve
from sightline.evaluation.report.summary import Pair, Score, Summary
from sightline.evaluation.report.tables import failure_lines
from sightline.evaluation.report.wording import first_metric


def sheets(summary: Summary) -> dict[str, str]:
    """Every number as CSV: `scores`, `pairs`, `wins`, `curves`, `errors`, the breakdowns.

    Numbers are in the units of the printed tables: that of the line's column `unit` (empty: none),
    or, where all lines share it, that of the header (`win_percent`).
    """
    scores = [_score_row(summary, one) for one in summary.scores]
    found = {
        "scores": [row for row in scores if not row["by"]],
        "pairs": [_pair_row(summary, one) for one in summary.pairs],
        "wins": _win_rows(summary),
        "curves": [row for one in summary.curves for row in _curve_rows(one)],
        "errors": [
            {"image": i, "methods": who, "error": error} for i, who, error in failure_lines(summary)
        ],
        **{f"by_{by}": [row for row in scores if row["by"] == by] for by in summary.breakdowns},
    }
    return {name: _csv(rows) for name, rows in found.items() if rows}


def _score_row(summary: Summary, one: Score) -> dict[str, Any]:
    metric = summary.metrics[one.metric]
    more = {
        "unit": metric.unit,
        "better": {True: "higher", False: "lower", None: ""}[metric.higher_is_better],
    }
    return {
        **asdict(one),
        "control": one.method in summary.controls,
        **more,
        "level": summary.level,
        "protocol": summary.run.get("protocol_digest", ""),
    }


def _pair_row(summary: Summary, one: Pair) -> dict[str, Any]:
    return {
        "metric": one.metric,
        "figure": one.figure,
        "a": one.a,
        "b": one.b,
        **asdict(one.paired),
        "a_larger": one.signs and one.signs.larger,
        "a_smaller": one.signs and one.signs.smaller,
        "ties": one.signs and one.signs.ties,
        "sign_test_p": one.signs and one.signs.p,
        "unit": summary.metrics[one.metric].unit,
    }


def _curve_rows(curve: Curve) -> list[dict[str, Any]]:
    """A row a point."""
    about = {"n": curve.n, "x_is": curve.across, "mean_is": curve.up}
    points = zip(curve.x, curve.y, curve.low, curve.high, strict=True)
    return [
        {
            "curve": curve.name,
            "method": curve.method,
            "x": x,
            "mean": y,
            "low": low,
            "high": high,
            **about,
        }
        for x, y, low, high in points
    ]


def _win_rows(summary: Summary) -> list[dict[str, Any]]:
    """Shares in per cent, as the page and `scores` have theirs."""
    return [
        {
            "metric": first_metric(summary.metrics),
            "a": a,
            "b": b,
            "win_percent": 100 * one.win.estimate,
            "win_low_percent": 100 * one.win.low,
            "win_high_percent": 100 * one.win.high,
            "tie_percent": 100 * one.tie.estimate,
            "loss_percent": 100 * one.loss.estimate,
            "n": one.n,
        }
        for (a, b), one in summary.wins.items()
    ]


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lines end as RFC 4180 says; what is nan or not there is empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if v is None or v != v else v for k, v in row.items()})
    return buffer.getvalue()
