"""The report as one HTML file that loads nothing from anywhere."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sightline.evaluation.report.gallery import Section
from sightline.evaluation.report.plots import METHOD_COLOURS, curve_plot, figure_plot, inline, style
from sightline.evaluation.report.summary import Summary
from sightline.evaluation.report.tables import (
    failure_lines,
    findings,
    group_tables,
    pair_lines,
    score_tables,
    win_table,
)
from sightline.evaluation.report.wording import (
    CONTROL_TITLES,
    count,
    direction,
    heading,
    meaning,
    protocol_sentences,
    title_of,
)
from sightline.render import html

MOST_GROUPS, MOST_ERRORS = 40, 200
"""Lines of a breakdown and of the errors on the page; the CSV files have all."""


def page(title: str, summary: Summary, sections: Sequence[Section] = ()) -> str:
    """The page, as text: write it to a file with `encoding="utf-8"`.

    It forbids the browser to load anything (a content security policy), so it works offline and
    tells nobody that it was opened. All texts are plain text. It follows the reader's light or dark
    setting and the width of the window, prints, and can be read by a screen reader.
    """
    from markupsafe import Markup

    names = summary.everybody
    failures = failure_lines(summary)
    return html.page(
        "results.html.jinja",
        package="sightline.evaluation.report",
        filters={"picture": partial(html.data_url, quality=85)},
        style=html.resource("results.css", "sightline.evaluation.report"),
        title=title,
        intro=_intro(summary),
        findings=findings(summary),
        cautions=summary.cautions,
        level=f"{100 * summary.level:g} %",
        methods=summary.methods,
        controls=[title_of(n) for n in summary.controls],
        protocol=protocol_sentences(summary.run, summary.layers),
        digest=summary.run.get("protocol_digest", ""),
        fields={name: _value(value) for name, value in (summary.run.get("protocol") or {}).items()},
        tables=score_tables(summary),
        points=_points(summary),
        wins=win_table(summary),
        pairs=pair_lines(summary),
        curves=_curves(summary),
        legend=[(title_of(name), Markup(_line(summary, name))) for name in names],
        sections=sections,
        gradient=html.gradient("inferno") if sections else "",
        breakdowns=[
            (by, group_tables(summary, by, MOST_GROUPS), _left(summary, by))
            for by in summary.breakdowns
            if len(summary.breakdowns[by]) > 1
        ],
        failures=failures[:MOST_ERRORS],
        more=(
            f"The first {MOST_ERRORS} of {count(len(failures), 'image')}; tables/errors.csv has"
            " all."
            if len(failures) > MOST_ERRORS
            else ""
        ),
        metrics=[_described(summary, name) for name in summary.metrics],
        control_words=[
            (title_of(name), CONTROL_TITLES[name][1])
            for name in summary.controls
            if name in CONTROL_TITLES
        ],
        footer=_footer(summary.run),
    )


def _intro(summary: Summary) -> list[str]:
    """What was measured, on what, in a sentence."""
    model, data = summary.run.get("model") or {}, summary.run.get("data") or {}
    sentence = (
        f"{_and(summary.methods)} on {model.get('name', 'a model')}, measured on "
        f"{count(summary.images, 'image')} of {data.get('name', 'a data set')}"
    )
    if summary.controls:
        verb = "explains" if len(summary.controls) == 1 else "explain"
        sentence += f", beside {count(len(summary.controls), 'control')} that {verb} nothing: "
        sentence += _and(summary.controls)
    return [f"{sentence}."]


def _and(names: Sequence[str]) -> str:
    """Titles, one after the other."""
    titles = [title_of(name) for name in names]
    return f"{', '.join(titles[:-1])} and {titles[-1]}" if len(titles) > 1 else "".join(titles)


def _points(summary: Summary) -> list[Any]:
    from markupsafe import Markup

    found = []
    for k, (metric, figure) in enumerate(summary.figures()):
        drawing = figure_plot(summary, metric, figure)
        if drawing is not None:
            found.append(
                Markup(
                    inline(
                        drawing, f"{heading(metric, figure)}: the numbers of the table, drawn", k
                    )
                )
            )
    return found


def _curves(summary: Summary) -> list[tuple[str, str, Any]]:
    from markupsafe import Markup

    found = []
    for k, name in enumerate(dict.fromkeys(one.name for one in summary.curves)):
        some = [one for one in summary.curves if one.name == name]
        drawing = curve_plot(summary, some, legend=False)
        label = f"{some[0].title}: {some[0].up} over {some[0].across}"
        found.append((some[0].title, some[0].reading, Markup(inline(drawing, label, 1000 + k))))
    return found


def _line(summary: Summary, name: str) -> str:
    """A method's line as it is in every drawing, for the key."""
    look = style(summary, name)
    colour = (
        f"var(--s{METHOD_COLOURS.index(look['color'])})"
        if look["color"] in METHOD_COLOURS
        else "var(--c0)"
    )
    if name in summary.controls:
        colour = f"var(--c{list(summary.controls).index(name) % 4})"
    dashes = " ".join(f"{1.7 * dash:g}" for dash in look["dashes"])
    return (
        '<svg viewBox="0 0 42 14" aria-hidden="true"><path d="M0 7H42" fill="none"'
        f' stroke="{colour}" stroke-width="2.4" stroke-dasharray="{dashes}"/></svg>'
    )


def _described(summary: Summary, name: str) -> dict[str, str]:
    metric = summary.metrics[name]
    unit = f"in {metric.unit}" if metric.unit else ""
    small = "; ".join(part for part in (direction(metric).capitalize(), unit, metric.paper) if part)
    return {"title": metric.title, "meaning": meaning(metric), "small": f"{small}."}


def _left(summary: Summary, by: str) -> str:
    left = len(summary.breakdowns[by]) - MOST_GROUPS
    return (
        f"The largest {MOST_GROUPS}; {count(left, 'more group')} in tables/by_{by}.csv."
        if left > 0
        else ""
    )


def _footer(run: Mapping[str, Any]) -> list[str]:
    model, data = run.get("model") or {}, run.get("data") or {}
    lines = [
        "Model: " + _facts(model),
        "Data: " + _facts(data),
        "Made with "
        + ", ".join(f"{key} {value}" for key, value in (run.get("versions") or {}).items()),
    ]
    when = f"Measured {run['created']}" if run.get("created") else ""
    when += f", in {run['seconds']:,.0f} seconds" if when and run.get("seconds") else ""
    return [line + "." for line in [*lines, when] if line and not line.endswith((": ", "with "))]


def _facts(known: Mapping[str, Any]) -> str:
    words = {"weights": "digest of the weights", "records": "digest of the records"}
    return "; ".join(
        f"{words.get(key, key)} {_value(one)}"
        for key, one in known.items()
        if one not in (None, "")
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
