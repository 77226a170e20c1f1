"""What has to be said of a report: short, once, its details in a list."""

from dataclasses import replace

import pyarrow as pa
import pytest

from helpers.made_up_run import METRICS, made
from helpers.parsed_page import Page
from sightline.evaluation.report import summarise
from sightline.evaluation.report.cautions import cautions
from sightline.evaluation.report.markdown import markdown
from sightline.evaluation.report.page import page
from sightline.evaluation.report.rows_by_method import RowsByMethod


@pytest.fixture(scope="module")
def results():
    return made(40, broken=(3, 17), silent=(), pictures=False)


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, metrics=METRICS, resamples=200)


def caution(summary, kind):
    return next(one for one in summary.cautions if one.kind == kind)


@pytest.mark.slow
def test_a_caution_is_short_and_its_details_are_a_list(summary):
    said = caution(summary, "fooled")
    assert len(said.details) == 2
    assert said.details[0].startswith("Average Drop (%) ↓ (0.2 against ")
    assert said.sentence.startswith(
        f"FakeCAM, which explains nothing, beats every method in {said.details[0]} and in 1 "
    )
    assert said.sentence.endswith(
        "more figure. A good value there is no sign of a good explanation."
    )
    assert said.details[1] not in said.sentence
    whole = Page(page("A title", summary))
    assert whole.text.count(said.sentence) == 1
    assert "All 2 figures" in whole.text
    for detail in said.details:
        assert detail in whole.text
        assert detail.replace("_", "\\_") in markdown("A title", summary)


def test_one_figure_needs_no_list():
    results = made(40, pictures=False)
    results.run["metrics"] = ["average_drop"]
    summary = summarise(results, metrics=METRICS, resamples=200)
    assert caution(summary, "fooled").details == ()
    assert "more figure" not in caution(summary, "fooled").sentence


def test_what_was_assumed_is_told_once_with_the_number_of_images(summary, results):
    """Rows that were written before there were notes say nothing."""
    items = results.rows["item"].to_pylist()
    for some, want in (
        (None, []),
        (40, ["Zero was taken."]),
        (2, ["2 images: Zero was taken."]),
        (0, []),
    ):
        rows = results.rows
        if some is not None:
            notes = [["Zero was taken."] if item < some else [] for item in items]
            rows = rows.append_column("notes", pa.array(notes, pa.list_(pa.string())))
        found = cautions(summary, RowsByMethod(replace(results, rows=rows)), {})
        assert [one.sentence for one in found if one.kind == "assumed"] == want
