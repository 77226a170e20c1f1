r"""The tables as LaTeX, for \input in a paper: booktabs, nothing else needed."""

from sightline.evaluation.report.summary import Summary
from sightline.evaluation.report.tables import Cell, Printed, score_tables, win_table
from sightline.evaluation.report.wording import count, protocol_sentences

_LETTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "δ": r"$\delta$",
    "θ": r"$\theta$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "±": r"$\pm$",
}


def latex(summary: Summary) -> str:
    r"""One `table` for each group of metrics, and one of wins; captions say how it was measured."""
    words = " ".join(protocol_sentences(summary.run, summary.layers))
    model, data = (str((summary.run.get(part) or {}).get("name", "")) for part in ("model", "data"))
    where = ", ".join(part for part in (model, data, count(summary.images, "image")) if part)
    how = (
        f"{where}. {words} Protocol {summary.run.get('protocol_digest', '')}. In brackets"
        f" {100 * summary.level:g} % bootstrap intervals over images. Bold: better than every other"
        " method, the paired interval excluding 0, of 30 images or more."
    )
    parts = ["% Made by sightline. Needs \\usepackage{booktabs}."]
    parts += [_table(table, f"{table.title}: {how}") for table in score_tables(summary)]
    wins = win_table(summary)
    if wins is not None:
        said = (
            "Share of the images on which the line's method is better than the column's, by"
            f" {wins.title}: {where}."
        )
        parts.append(_table(wins, said))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    r"""Text that LaTeX prints as it is.

    >>> print(escaped("50 % of a_b & c ↓"))
    50 \% of a\_b \& c $\downarrow$
    """
    return "".join(_LETTERS.get(letter, letter) for letter in text)


def _table(table: Printed, caption: str) -> str:
    head = " & ".join(["", *map(escaped, table.head)])
    lines = []
    for label, cells in table.lines:
        lines.append(" & ".join([escaped(label), *(_text(cell) for cell in cells)]) + r" \\")
        if any(cell.interval for cell in cells):
            small = [
                f"{{\\footnotesize {escaped(cell.interval)}}}" if cell.interval else ""
                for cell in cells
            ]
            lines.append(" & ".join(["", *small]) + r" \\")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{escaped(caption)}}}",
            f"\\label{{tab:{_key(table.key)}}}",
            f"\\begin{{tabular}}{{l{'r' * len(table.head)}}}",
            r"\toprule",
            f"{head} \\\\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _text(cell: Cell) -> str:
    return f"\\textbf{{{escaped(cell.text)}}}" if cell.bold else escaped(cell.text)


def _key(key: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in key)
