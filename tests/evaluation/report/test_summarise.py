"""Rows to figures: units, pairs, groups, failures, whatever the order of the rows."""

import importlib

import numpy as np
import pyarrow as pa
import pytest

from helpers.made_up_run import METRICS, Made, made, replaced, with_rows
from sightline.evaluation.report import summarise
from sightline.evaluation.report.csv_tables import sheets


def of(results, **more):
    return summarise(results, metrics=METRICS, resamples=more.pop("resamples", 200), **more)


@pytest.fixture(scope="module")
def results():
    return made(40, broken=(17,), silent=(5,), pictures=False)


@pytest.fixture(scope="module")
def summary(results):
    return of(results, by=["class", "tag"])


def column(results, name, method):
    rows = results.rows.to_pylist()
    return np.array(
        [np.nan if row[name] is None else row[name] for row in rows if row["method"] == method],
        float,
    )


def kinds(summary):
    return [one.kind for one in summary.cautions]


def fooled(summary):
    return [one.sentence for one in summary.cautions if one.kind == "fooled"]


def test_the_figures_are_those_of_the_rows_in_the_metrics_unit(results, summary):
    score = summary.score("average_drop", "Average Drop", "grad_cam")
    drops = column(results, "average_drop", "grad_cam")
    assert score.estimate == pytest.approx(100 * np.nanmean(drops))
    assert score.low < score.estimate < score.high
    assert (score.n, score.missing, score.errors) == (39, 0, 1)


def test_a_figure_may_ask_for_the_protocol(results, summary):
    rows = [row for row in results.rows.to_pylist() if row["method"] == "random" and row["loc"]]
    boxes = np.array([row["loc"] for row in rows])
    found = summary.score("loc", "Loc(0.25)", "random")
    assert found.estimate == pytest.approx(np.nanmean(boxes[:, 5]))
    wool = sum(row["target_name"] == "100 % wool" for row in rows)
    assert (found.n, found.missing, found.errors) == (39 - wool, wool, 1)
    assert summary.score("loc", "best over δ", "random").estimate == pytest.approx(
        np.nanmean(boxes, 0).max()
    )


def test_differences_are_paired(results, summary):
    pair = summary.pair("average_drop", "Average Drop", "grad_cam", "grad_cam_pp")
    drops = [column(results, "average_drop", name) for name in ("grad_cam", "grad_cam_pp")]
    assert pair.paired.difference == pytest.approx(100 * np.nanmean(drops[0] - drops[1]))
    ours, theirs = (
        summary.score("average_drop", "Average Drop", name) for name in ("grad_cam", "grad_cam_pp")
    )
    assert pair.paired.high - pair.paired.low < max(ours.high - ours.low, theirs.high - theirs.low)
    assert pair.signs.larger == (drops[0] > drops[1]).sum()
    turned = summary.pair("average_drop", "Average Drop", "grad_cam_pp", "grad_cam")
    assert turned.paired.difference == -pair.paired.difference
    assert turned.signs.smaller == pair.signs.larger
    assert summary.pair("loc", "Loc(0)", "grad_cam", "random").signs is None


def test_groups_add_up_to_the_whole(summary):
    groups = [
        summary.score("average_drop", "Average Drop", "random", "tag", name)
        for name in summary.breakdowns["tag"]
    ]
    whole = summary.score("average_drop", "Average Drop", "random")
    assert sum(one.n for one in groups) == whole.n
    assert sum(one.n * one.estimate for one in groups) == pytest.approx(whole.n * whole.estimate)
    assert sum(one.errors for one in groups) == 1
    assert all(one.low <= one.estimate <= one.high for one in groups)


def test_wins_are_those_of_average_drop(results, summary):
    ours, theirs = (column(results, "average_drop", name) for name in ("grad_cam_pp", "grad_cam"))
    found = summary.wins["grad_cam_pp", "grad_cam"]
    assert found.win.estimate == pytest.approx((ours < theirs).sum() / 39)
    assert found.win.estimate + found.tie.estimate + found.loss.estimate == pytest.approx(1.0)


@pytest.mark.slow
def test_the_order_of_the_rows_does_not_matter(results, summary):
    order = np.random.default_rng(1).permutation(results.rows.num_rows)
    chunks = [results.rows.take(order[:71]), results.rows.take(order[71:])]
    other = of(with_rows(results, pa.concat_tables(chunks)), by=["class", "tag"])
    assert sheets(other) == sheets(summary)
    assert other.cautions == summary.cautions


def test_one_image():
    summary = of(made(1, broken=(), silent=()), by="class")
    score = summary.score("average_drop", "Average Drop", "grad_cam")
    assert score.n == 1
    assert np.isnan([score.low, score.high]).all()
    assert kinds(summary)[0] == "few"
    assert summary.stands_out("average_drop", "Average Drop") is None


def test_a_metric_that_never_says_anything(results):
    silent = with_rows(
        results, replaced(results.rows, "pointing_game", [None] * results.rows.num_rows)
    )
    summary = of(silent)
    score = summary.score("pointing_game", "Pointing game", "grad_cam")
    assert (score.n, score.missing, score.errors) == (0, 39, 1)
    assert np.isnan(score.estimate)
    assert next(one.sentence for one in summary.cautions if one.kind == "nothing").startswith(
        "Nothing to say on any image: Pointing game."
    )


def test_only_errors(results):
    rows = made(3, broken=(0, 1, 2), pictures=False)
    summary = of(rows, by="class")
    assert len(summary.failures) == 15
    assert all(one.n == 0 and one.errors == 3 for one in summary.scores)
    assert summary.breakdowns["class"] == []
    assert summary.curves == []


def test_failures_are_listed_in_order(summary):
    assert [one.method for one in summary.failures] == summary.everybody
    assert {(one.item, one.image) for one in summary.failures} == {(17, "photo_017.jpg")}
    assert summary.failures[0].error.startswith("ImageError")
    assert "1 image could not be measured and counts nowhere" in next(
        c.sentence for c in summary.cautions if c.kind == "errors"
    )


def test_statuses_are_counted_by_method(summary):
    said = next(one.sentence for one in summary.cautions if one.kind == "status")
    assert "“no positive evidence” is the status of 5 maps: Grad-CAM 1, Grad-CAM++ 1" in said


def test_a_run_that_is_not_finished(results):
    part = with_rows(results, results.rows.slice(0, results.rows.num_rows - 2))
    summary = of(part)
    assert "2 rows not measured yet (FakeCAM 1, Random map 1)" in next(
        one.sentence for one in summary.cautions if one.kind == "unfinished"
    )
    assert summary.score("average_drop", "Average Drop", "random").n == 38
    assert summary.pair("average_drop", "Average Drop", "grad_cam", "random").paired.n == 38


def test_a_metric_that_likes_a_control_is_said_to_be_fooled(summary):
    (said,) = fooled(summary)
    assert said.startswith(
        "FakeCAM, which explains nothing, beats every method in Average Drop (%) ↓ (0.2 against "
    )
    assert "Loc" not in said
    assert "Complexity" not in said, "neither end is good"
    assert summary.fooled_by("average_drop", "Average Drop") == ["fake_cam"]


def test_a_metric_that_does_not_like_it_is_not():
    summary = of(made(40, controls=("random",), pictures=False))
    assert not fooled(summary)
    assert "blunt" not in kinds(summary)


def test_a_control_that_cannot_be_told_apart_is_named(results):
    rng = np.random.default_rng(0)
    noise = [
        None if e else float(v)
        for e, v in zip(results.rows["error"].to_pylist(), rng.random(200), strict=True)
    ]
    summary = of(with_rows(results, replaced(results.rows, "deletion_auc", noise)))
    said = " ".join(one.sentence for one in summary.cautions if one.kind == "blunt")
    assert "not told apart from the best method in Deletion AUC ↓" in said


def test_few_images_are_said_to_be_few(summary):
    assert not any(one.sentence.startswith("Only") for one in summary.cautions)
    assert (
        of(made(29, pictures=False))
        .cautions[0]
        .sentence.startswith("Only 29 images: with fewer than 30")
    )


def test_a_column_nobody_describes_is_a_plain_mean(results):
    run = {**results.run, "metrics": [*results.run["metrics"], "full_score"]}
    summary = of(Made(run, results.rows, results.views))
    assert summary.metrics["full_score"].higher_is_better is None
    assert summary.score("full_score", "full_score", "random").estimate == pytest.approx(
        np.nanmean(column(results, "full_score", "random"))
    )


def test_beyond_so_many_groups_the_largest_stay(monkeypatch, results):
    monkeypatch.setattr(
        importlib.import_module("sightline.evaluation.report.summarise"), "MOST_GROUPS", 2
    )
    summary = of(results, by="class")
    assert len({one.group for one in summary.scores if one.by == "class"}) == 2
    assert "2 groups left out" in next(
        one.sentence for one in summary.cautions if one.kind == "groups"
    )


def test_a_metric_that_few_images_have_is_named(results):
    pointing = [
        v if item < 9 else None
        for item, v in zip(
            *(results.rows[c].to_pylist() for c in ("item", "pointing_game")), strict=True
        )
    ]
    said = next(
        one.sentence
        for one in of(
            with_rows(results, replaced(results.rows, "pointing_game", pointing))
        ).cautions
        if one.kind == "few"
    )
    assert said.startswith("Fewer than 30 images have: ")
    assert "Pointing game (" in said
