"""Every number as CSV, to the last bit and with its unit."""

import csv
import io

import pytest

from sightline.evaluation.report.csv_tables import sheets


@pytest.mark.parametrize(
    "name", ["scores", "pairs", "wins", "curves", "errors", "by_class", "by_tag"]
)
def test_csv_can_be_read_back_to_the_last_bit(summary, name):
    rows = list(csv.DictReader(io.StringIO(sheets(summary)[name], newline="")))
    if name == "scores":
        whole = [one for one in summary.scores if not one.by]
        assert [float(row["estimate"]) for row in rows] == [one.estimate for one in whole]
        assert [(float(row["low"]), int(row["n"])) for row in rows] == [
            (one.low, one.n) for one in whole
        ]
        assert {row["protocol"] for row in rows} == {summary.run["protocol_digest"]}
    if name == "by_class":
        assert {row["group"] for row in rows} == set(summary.breakdowns["class"])
    if name == "errors":
        assert rows[0]["error"] == summary.failures[0].error
    assert rows
