"""Drawings as SVG: readable alone, and in a page that is light or dark."""

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline.evaluation.report.curves import Curve
from sightline.evaluation.report.summary import Summary
from sightline.evaluation.report.wording import heading, title_of, written
from sightline.metrics.metric import Metric

INK, PALE, LINE = "#1c1a17", "#67625a", "#e4e0d8"
"""As in the page's style sheet, whose variables take their place there."""

METHOD_COLOURS = ("#0072b2", "#c4500c", "#00805c", "#a3478a", "#8a6a00", "#3f5f9e")
"""Told apart by any colour vision (after Okabe and Ito), dark enough for thin lines on white."""

CONTROL_COLOURS = ("#6f6a63", "#8d877e", "#6f6a64", "#8d877f")
"""Controls are grey."""

_DASHES = ((), (6, 2), (2, 1.5), (7, 2, 2, 2), (10, 3), (4, 1.5, 1, 1.5))
_CONTROL_DASHES = ((1, 2), (3, 3), (1, 4), (5, 2, 1, 2))
_MARKERS, _CONTROL_MARKERS = "osD^vP", "x+12"


def style(summary: Summary, method: str) -> dict[str, Any]:
    """A method's colour, dashes and marker: the same in every drawing."""
    if method in summary.controls:
        k = list(summary.controls).index(method) % len(CONTROL_COLOURS)
        return {
            "color": CONTROL_COLOURS[k],
            "dashes": _CONTROL_DASHES[k],
            "marker": _CONTROL_MARKERS[k],
        }
    k = list(summary.methods).index(method) % len(METHOD_COLOURS)
    return {"color": METHOD_COLOURS[k], "dashes": _DASHES[k], "marker": _MARKERS[k]}


def curve_plot(summary: Summary, some: Sequence[Curve], *, legend: bool = True) -> str:
    """Mean curves of several methods with their pointwise intervals, as SVG.

    With a `legend` it stands alone, on white; without one it is a part of a page, which has the
    legend and the ground.
    """
    first = some[0]
    figure, axes = _axes(
        3.9, 2.9 + (0.2 * ((len(some) + 1) // 2) if legend else 0), "white" if legend else "none"
    )
    for one in some:
        look = style(summary, one.method)
        axes.fill_between(
            one.x,
            one.low,
            one.high,
            color=look["color"],
            linewidth=0,
            alpha=0.07 if one.method in summary.controls else 0.16,
        )
        line = axes.plot(
            one.x,
            one.y,
            color=look["color"],
            linewidth=1.7,
            label=title_of(one.method),
            marker=look["marker"],
            markevery=(list(summary.everybody).index(one.method), max(1, len(one.x) // 6)),
            markersize=3.6,
        )[0]
        if look["dashes"]:
            line.set_dashes(look["dashes"])
    axes.set_xlabel(first.across)
    axes.set_ylabel(first.up)
    axes.set_xlim(min(first.x), max(first.x))
    axes.grid(color=LINE, linewidth=0.7)
    if legend:
        figure.legend(
            loc="outside lower center",
            ncols=2,
            frameon=False,
            labelcolor=INK,
            fontsize=8,
            handlelength=3.2,
        )
    return _svg(figure, f"curve {first.name}")


def figure_plot(summary: Summary, metric: Metric, title: str) -> str | None:
    """One figure of everybody as points with their intervals, as SVG; None where nobody has it."""
    scores = [summary.score(metric.name, title, name) for name in summary.everybody]
    some = [one for one in scores if one is not None and one.n]
    if not some:
        return None
    figure, axes = _axes(3.9, 0.75 + 0.26 * len(some))
    for place, one in enumerate(some):
        look = style(summary, one.method)
        if np.isfinite(one.low):
            axes.plot(
                [one.low, one.high],
                [place, place],
                color=look["color"],
                linewidth=2.6,
                solid_capstyle="butt",
                alpha=0.55,
            )
        axes.plot(
            [one.estimate],
            [place],
            color=look["color"],
            marker=look["marker"],
            markersize=5.5,
            markeredgewidth=1.6,
        )
        axes.annotate(
            written(one.estimate, metric.unit),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_yticks(range(len(some)), [title_of(one.method) for one in some])
    axes.set_ylim(len(some) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8.5)
    better = {True: ", more is better", False: ", less is better", None: ""}[
        metric.higher_is_better
    ]
    axes.set_xlabel(heading(metric, title).rstrip(" ↑↓") + better)
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    axes.margins(x=0.08)
    return _svg(figure, f"figure {metric.name} {title}")


def inline(svg: str, label: str, number: int) -> str:
    """An SVG drawing as a part of a page, in the page's colours.

    `number` keeps its names apart from others'.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(
        r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL
    )  # a style in there would be the whole page's
    svg = re.sub(r'\s(xmlns(:\w+)?|width|height|version)="[^"]*"', "", svg, count=5)
    svg = re.sub(r'(\bid="|"#|url\(#)', lambda found: f"{found[0]}p{number}-", svg)
    for k, colour in enumerate(METHOD_COLOURS):
        svg = svg.replace(colour, f"var(--s{k})")
    for k, colour in enumerate(CONTROL_COLOURS):
        svg = svg.replace(colour, f"var(--c{k})")
    for colour, name in ((INK, "ink"), (PALE, "pale"), (LINE, "line")):
        svg = svg.replace(colour, f"var(--{name})")
    from markupsafe import escape

    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)


def _axes(width: float, height: float, ground: str = "none") -> tuple[Any, Any]:
    """A figure of its own: of matplotlib's global state only the defaults are read."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=ground)
    axes = figure.add_subplot(facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(PALE)
    axes.tick_params(colors=PALE, labelsize=8.5)
    axes.xaxis.label.set(color=PALE, fontsize=9)
    axes.yaxis.label.set(color=PALE, fontsize=9)
    return figure, axes


def _svg(figure: Any, salt: str) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    nobody = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata=nobody)
    return re.sub(r'="[^"]*"', _shortened, buffer.getvalue())


def _shortened(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point, which is enough.

    What is written between tags stays as it is.
    """
    return re.sub(r"(\d\.\d\d)\d+", r"\1", attribute[0])
