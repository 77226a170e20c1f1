"""The report in Markdown."""

import re

from sightline.evaluation.report.markdown import markdown


def test_markdown_tables_are_whole(summary):
    text = markdown("A | title", summary, ["plots/loc.svg"])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert text.startswith("# A \\| title\n")
    assert "![](plots/loc.svg)" in text
    assert "> **Caution.** FakeCAM" in text
