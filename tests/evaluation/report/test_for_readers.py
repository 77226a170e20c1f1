"""What a reader stumbles over: errors told again and again, empty parts, units to guess."""

import csv
import io

import pytest

from helpers.made_up_run import METRICS, made, replaced, with_rows
from helpers.parsed_page import Page
from sightline.evaluation.report import summarise, write
from sightline.evaluation.report.csv_tables import sheets
from sightline.evaluation.report.gallery import gallery
from sightline.evaluation.report.markdown import markdown
from sightline.evaluation.report.page import page
from sightline.evaluation.report.tables import failure_lines, findings
from sightline.evaluation.report.wording import heading


@pytest.fixture(scope="module")
def results():
    return made(40, broken=(3, 17), silent=(), pictures=False)


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, metrics=METRICS, resamples=200)


def caution(summary, kind):
    return next(one for one in summary.cautions if one.kind == kind)


def test_a_finding_says_when_a_control_does_better(summary):
    drop, *others = findings(summary)
    assert drop.startswith("Average Drop (lower is better): Grad-CAM++ is best with ")
    assert drop.endswith("; FakeCAM, which explains nothing, is better still.")
    assert not any("better still" in one for one in others if one.startswith("Loc"))
    alone = summarise(made(40, controls=(), pictures=False), metrics=METRICS, resamples=100)
    assert not any("explains nothing" in one for one in findings(alone))


@pytest.mark.slow
def test_a_broken_image_is_listed_once(summary):
    assert failure_lines(summary) == [
        (f"photo_{k:03}.jpg", "all", "ImageError: Expected a picture; came 3 bytes <&>.")
        for k in (3, 17)
    ]
    assert Page(page("A title", summary)).text.count("photo_003.jpg") == 1
    assert markdown("A title", summary).count("photo\\_003.jpg") == 1
    assert len(list(csv.DictReader(io.StringIO(sheets(summary)["errors"], newline="")))) == 2
    assert caution(summary, "errors").sentence.startswith(
        "2 images could not be measured and count nowhere."
    )


def test_what_failed_for_some_methods_only_names_them(results):
    rows = results.rows.to_pylist()
    errors = [
        "it broke" if row["item"] == 5 and row["method"] == "grad_cam" else row["error"]
        for row in rows
    ]
    summary = summarise(
        with_rows(results, replaced(results.rows, "error", errors)), metrics=METRICS, resamples=20
    )
    assert ("photo_005.jpg", "Grad-CAM", "it broke") in failure_lines(summary)
    assert "11 rows (3 images) could not be measured" in caution(summary, "errors").sentence


def test_where_all_failed_it_says_that_nothing_could_be_measured(tmp_path):
    broken = made(2, broken=(0, 1), pictures=False)
    written = {path.name: path for path in write(broken, tmp_path, metrics=METRICS, resamples=20)}
    whole = Page(written["report.html"].read_text("utf-8"))
    assert (
        "Nothing could be measured: all 2 images failed. What was wrong is listed under Errors."
        in whole.text
    )
    assert "photo_001.jpg" in whole.text
    ids = {attributes["id"] for _, attributes in whole.elements if "id" in attributes}
    assert ids & {"scores", "pairs", "curves", "images"} == set()
    assert {a["href"][1:] for tag, a in whole.elements if tag == "a"} <= ids
    assert "> **Caution.** Nothing could be measured" in written["report.md"].read_text("utf-8")
    (only,) = summarise(broken, metrics=METRICS, resamples=20).cautions
    assert only.kind == "nothing"


def test_rows_that_never_had_a_metric_are_reported_too(tmp_path):
    broken = made(1, broken=(0,), pictures=False)
    rows = broken.rows.drop_columns([name for name in METRICS if name in broken.rows.column_names])
    text = Page(
        write(with_rows(broken, rows), tmp_path, metrics=METRICS, resamples=20)[0].read_text(
            "utf-8"
        )
    ).text
    assert "Nothing could be measured: the one image failed." in text
    assert "What each metric means" not in text


def test_units_stand_beside_the_numbers_in_every_sheet(summary):
    found = {
        name: list(csv.DictReader(io.StringIO(text, newline="")))
        for name, text in sheets(summary).items()
    }
    win = next(row for row in found["wins"] if (row["a"], row["b"]) == ("grad_cam_pp", "grad_cam"))
    shares = summary.wins["grad_cam_pp", "grad_cam"]
    assert float(win["win_percent"]) == 100 * shares.win.estimate
    assert sum(float(win[f"{part}_percent"]) for part in ("win", "tie", "loss")) == pytest.approx(
        100
    )
    assert (
        float(win["win_low_percent"]) <= float(win["win_percent"]) <= float(win["win_high_percent"])
    )
    assert win["metric"] == "average_drop"
    drop = next(row for row in found["scores"] if row["metric"] == "average_drop")
    assert (drop["unit"], float(drop["estimate"])) == (
        "%",
        summary.score("average_drop", "Average Drop", "grad_cam").estimate,
    )
    assert {row["unit"] for row in found["pairs"] if row["metric"] == "average_drop"} == {"%"}
    assert {row["x_is"] for row in found["curves"] if row["curve"] == "loc"} == {
        "threshold δ on the map"
    }
    assert {row["mean_is"] for row in found["curves"] if row["curve"] == "deletion_curve"} == {
        "confidence"
    }


def test_of_a_few_images_the_best_are_not_the_worst_too():
    results = made(4, broken=(), silent=())
    summary = summarise(results, metrics=METRICS, resamples=20)
    best, worst, _ = gallery(summary, results, "average_drop", 6)
    assert len(best.exhibits) == len(worst.exhibits) == 2
    assert {one.item for one in best.exhibits} | {one.item for one in worst.exhibits} == {
        0,
        1,
        2,
        3,
    }
    assert heading(summary.metrics["average_drop"], "Average Drop") in best.intro
