"""Tables for a paper: every letter is printed, a table for each group."""

import re

from sightline.evaluation.report.latex import escaped, latex


def test_latex_prints_every_letter():
    assert escaped("a_b % & # $ { } ~ ^ \\") == (
        r"a\_b \% \& \# \$ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


def test_latex_has_a_table_for_each_group(summary):
    text = latex(summary)
    assert text.count(r"\begin{table}") == text.count(r"\bottomrule") == 4
    assert r"Average Drop (\%) $\downarrow$ &" in text
    assert r"\textbf{" in text
    columns = {line.count("&") for line in text.splitlines() if line.endswith(r"\\")}
    assert columns == {5}
    assert not re.search(
        r"(?<!\\)[%_]", text.replace("% Made by sightline.", "").replace("tab:", "")
    )
