"""A report on disk: everything is written, and nothing half."""

import pytest

from helpers.made_up_run import METRICS, Made, made
from helpers.parsed_page import Page
from sightline.errors import StoreError
from sightline.evaluation.report import write


@pytest.mark.slow
def test_everything_is_written_and_nothing_half(results, summary, tmp_path):
    written = write(results, tmp_path / "out", summary=summary, images=1)
    names = [str(path.relative_to(tmp_path / "out")) for path in written]
    assert names[0] == "report.html"
    assert {"report.md", "report.tex", "tables/scores.csv", "plots/deletion_curve.svg"} <= set(
        names
    )
    assert all(path.stat().st_size for path in written)
    assert not list(tmp_path.rglob(".*"))
    assert b"\r\n" in (tmp_path / "out/tables/scores.csv").read_bytes()
    first = {path: path.read_bytes() for path in written}
    write(results, tmp_path / "out", summary=summary, images=1)
    assert {path: path.read_bytes() for path in written} == first, (
        "the same results, the same report"
    )


@pytest.mark.slow
def test_where_nothing_can_be_written_it_says_so(results, summary, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match=r"Expected to write .*report.html; .*another folder"):
        write(results, tmp_path / "out", summary=summary, images=0)


@pytest.mark.slow
def test_one_method_alone_has_a_report(tmp_path):
    alone = made(3, methods=("my_cam",), controls=(), broken=(), silent=(), pictures=False)
    text = write(alone, tmp_path, metrics=METRICS, resamples=20)[0].read_text("utf-8")
    assert "my_cam on resnet50" in Page(text).text
    assert "Bold and coloured" not in text
    assert "Only 3 images" in text


@pytest.mark.slow
def test_of_an_old_run_little_is_known(tmp_path, results):
    run = {"methods": results.run["methods"], "metrics": ["average_drop"], "protocol": {"gone": 1}}
    old = Made(run, results.rows, results.views)
    text = Page(
        write(old, tmp_path, metrics=METRICS, resamples=20, images=0)[0].read_text("utf-8")
    ).text
    assert "gone: 1" in text
    assert "FakeCAM" in text
