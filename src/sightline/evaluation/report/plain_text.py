"""The figures as plain text: for a terminal, a log, a mail."""

from sightline.evaluation.report.rows_by_method import RunResults
from sightline.evaluation.report.summarise import Metrics, summarise
from sightline.evaluation.report.tables import Cell, score_tables


def figures_text(
    results: RunResults, *, metrics: Metrics | None = None, resamples: int = 1000
) -> str:
    """Figures down, methods across, intervals in brackets, `*` where a method stands out; then the
    cautions.
    """
    summary = summarise(results, metrics=metrics, resamples=resamples)
    tables = score_tables(summary)
    head = ["", *(tables[0].head if tables else [])]
    lines = [[label, *map(_cell, cells)] for table in tables for label, cells in table.lines]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    text = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True))
        for line in (head, *lines)
    ]
    text += [
        f"* better than every other method, the paired {100 * summary.level:g} % interval excluding"
        " 0 (30 images on)"
    ] * any(cell.bold for table in tables for _, cells in table.lines for cell in cells)
    return "\n".join([*text, *(f"! {one.sentence}" for one in summary.cautions)])


def _cell(cell: Cell) -> str:
    return f"{cell.text}{'*' if cell.bold else ''} {cell.interval}".rstrip()
