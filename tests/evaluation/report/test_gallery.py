"""The images shown: the ends, the quarrels, ties stated, boxes where they belong."""

from helpers.made_up_run import METRICS, Made, replaced, with_rows
from sightline.evaluation.report import summarise
from sightline.evaluation.report.gallery import gallery


def test_galleries_show_the_ends_and_the_quarrels(results, summary):
    sections = gallery(summary, results, "average_drop", 3)
    assert [section.title for section in sections] == [
        "Best images",
        "Worst images",
        "Largest disagreement",
    ]
    drops = {}
    for row in results.rows.to_pylist():
        if row["method"] in summary.methods and row["average_drop"] is not None:
            drops.setdefault(row["item"], []).append(row["average_drop"])
    worst = sorted(drops, key=lambda item: -sum(drops[item]))[:3]
    assert [one.item for one in sections[1].exhibits] == worst
    apart = sorted(drops, key=lambda item: -(max(drops[item]) - min(drops[item])))[:3]
    assert [one.item for one in sections[2].exhibits] == apart
    first = sections[1].exhibits[0]
    assert [one.picture is None for one in first.maps] == [False, False, False, True, False]
    assert first.photograph.size == (160, 160)
    assert first.maps[0].value == f"Average Drop {100 * drops[first.item][0]:.1f} %"
    assert first.unseen == "FakeCAM: Average Drop 0.2 %"


def test_ties_for_the_best_are_stated(results):
    zero = [None if error else 0.0 for error in results.rows["error"].to_pylist()]
    equal = with_rows(results, replaced(results.rows, "average_drop", zero))
    sections = gallery(summarise(equal, metrics=METRICS, resamples=20), equal, "average_drop", 3)
    assert "28 more images as good as the last one shown" in sections[0].intro


def test_there_is_no_gallery_without_pictures_or_numbers(results, summary):
    assert (
        gallery(summary, Made(results.run, results.rows, results.views.slice(0, 0)), "average_drop")
        == []
    )
    assert gallery(summary, results, "loc") == []
    assert gallery(summary, results, None) == []
    assert gallery(summary, results, "average_drop", 0) == []
    few = Made(results.run, results.rows, results.views.slice(0, 2))
    assert {
        one.item for section in gallery(summary, few, "average_drop") for one in section.exhibits
    } == {0, 1}


def test_boxes_are_scaled_to_the_thumbnail(results, summary):
    rows = replaced(results.rows, "view_width", [320] * results.rows.num_rows)
    rows = replaced(rows, "view_height", [320] * results.rows.num_rows)
    rows = replaced(rows, "boxes", [[[160.0, 160.0, 320.0, 320.0]]] * results.rows.num_rows)
    (section, *_) = gallery(summary, with_rows(results, rows), "average_drop", 1)
    assert section.exhibits[0].photograph.getpixel((80, 120)) == (255, 176, 0)
