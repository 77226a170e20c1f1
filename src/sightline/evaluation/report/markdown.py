"""The report as Markdown: for a repository, an issue, a chat."""

from collections.abc import Sequence

from sightline.evaluation.report.summary import Caution, Summary
from sightline.evaluation.report.tables import (
    Cell,
    Printed,
    failure_lines,
    findings,
    score_tables,
    win_table,
)
from sightline.evaluation.report.wording import count, protocol_sentences

MOST_ERRORS = 50


def markdown(title: str, summary: Summary, plots: Sequence[str] = ()) -> str:
    """The whole report but for the pictures of the gallery.

    `plots` are addresses of drawings to show.
    """
    parts = [f"# {_plain(title)}", *map(_caution, summary.cautions)]
    parts.append("\n".join(f"- {_plain(one)}" for one in findings(summary)))
    parts += [
        "## How it was measured",
        " ".join(map(_plain, protocol_sentences(summary.run, summary.layers))),
    ]
    parts.append(
        f"Protocol `{summary.run.get('protocol_digest', '')}`; {count(summary.images, 'image')};"
        f" {100 * summary.level:g} % bootstrap intervals of {summary.resamples:,} resampled sets of"
        " images. **Bold**: better than every other method, the paired interval excluding 0, of 30"
        " images or more."
    )
    for table in score_tables(summary):
        parts += [f"## {_plain(table.title)}", _table(table)]
    wins = win_table(summary)
    if wins is not None:
        words = (
            "Share of the images on which the line's method is better than the column's, its"
            " interval; ties; p of the "
        )
        parts += [f"## Wins by {_plain(wins.title)}", f"{words}sign test.", _table(wins)]
    if plots:
        parts += ["## Curves", "\n".join(f"![]({address})" for address in plots)]
    if summary.failures:
        lines = failure_lines(summary)
        listed = [
            f"- {_plain(image)} ({_plain(who)}): {_plain(error)}"
            for image, who, error in lines[:MOST_ERRORS]
        ]
        left = len(lines) - MOST_ERRORS
        parts += [
            "## Errors",
            "\n".join(listed),
            f"{left:,} more in tables/errors.csv." if left > 0 else "",
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _caution(one: Caution) -> str:
    lines = [
        f"**Caution.** {_plain(one.sentence)}",
        *(f"- {_plain(detail)}" for detail in one.details),
    ]
    return "\n".join(
        f"> {line}" for line in [lines[0], *([""] if one.details else []), *lines[1:]]
    ).replace("> \n", ">\n")


def _table(table: Printed) -> str:
    lines = [["", *table.head], ["---", *("---:" for _ in table.head)]]
    lines = [[_plain(cell) if k == 0 else cell for cell in line] for k, line in enumerate(lines)]
    notes = table.notes or [""] * len(table.lines)
    for (label, cells), note in zip(table.lines, notes, strict=True):
        lines.append([_plain(f"{label} ({note})" if note else label), *map(_cell, cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.bold else cell.text
    return " ".join(
        part for part in (text, cell.interval, f"({cell.note})" if cell.note else "") if part
    )


def _plain(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> _plain("a_b|c <i>")
    'a\\_b\\|c &lt;i>'
    """
    for letter in "\\`*_|[]":
        text = text.replace(letter, f"\\{letter}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())
