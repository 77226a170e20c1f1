"""What is printed: the page, Markdown, LaTeX, CSV, drawings."""

import base64
import csv
import hashlib
import io
import re

import pytest
from PIL import Image

from helpers.made_up_run import METRICS, Made, made, replaced, with_rows
from helpers.parsed_page import Page
from sightline.errors import StoreError
from sightline.evaluation.report import summarise, write
from sightline.evaluation.report.csv_tables import sheets
from sightline.evaluation.report.gallery import gallery
from sightline.evaluation.report.latex import escaped, latex
from sightline.evaluation.report.markdown import markdown
from sightline.evaluation.report.page import page
from sightline.evaluation.report.plots import curve_plot, figure_plot, inline
from sightline.evaluation.report.tables import findings, score_tables, win_table
from sightline.evaluation.report.wording import heading


@pytest.fixture(scope="module")
def results():
    return made(32, broken=(17,), silent=(5,))


@pytest.fixture(scope="module")
def summary(results):
    return summarise(results, ["class", "tag"], metrics=METRICS, resamples=200)


@pytest.fixture(scope="module")
def text(results, summary):
    return page("A title <b>", summary, gallery(summary, results, "average_drop", 3))


def test_the_page_says_the_numbers(text, summary):
    said = Page(text).text
    for table in score_tables(summary):
        for label, cells in table.lines:
            assert label in said
            for cell in cells:
                assert cell.text in said
                assert cell.interval in said
    for sentence in [*findings(summary), *(one.sentence for one in summary.cautions)]:
        assert " ".join(sentence.split()) in said
    assert summary.run["protocol_digest"] in said
    assert "soft map over its maximum" in said
    assert "last feature map (layer4)" in said
    assert "ImageError: Expected a picture; came 3 bytes <&>." in said
    assert "Overlap of the thresholded map with the union of the class's boxes" in said
    assert "torch 2.9" in said


def test_the_page_loads_nothing(text):
    whole = Page(text)
    for tag, attributes in whole.elements:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
            address = attributes.get(name) or "#"
            assert address.startswith(("#", "data:")), (tag, address)
        assert not any(name.startswith("on") for name in attributes), "no script in attributes"
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\(.", text)) <= {"url(#"}


def test_the_page_forbids_what_it_does_not_need(text):
    whole = Page(text)
    policy = next(
        a["content"]
        for tag, a in whole.elements
        if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    (script,) = whole.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_names_on_the_page_are_single(text):
    names = [attributes["id"] for _, attributes in Page(text).elements if "id" in attributes]
    assert len(names) == len(set(names))
    targets = {a["href"][1:] for tag, a in Page(text).elements if tag == "a"}
    targets |= {a["xlink:href"][1:] for tag, a in Page(text).elements if tag == "use"}
    assert targets <= set(names)


def test_markup_in_names_is_shown(text):
    assert "A title &lt;b&gt;" in text
    assert "came 3 bytes &lt;&amp;&gt;." in text
    assert "espresso &amp; cream" in text


def test_the_best_is_marked_only_where_it_stands_out(summary):
    lines = {label: cells for table in score_tables(summary) for label, cells in table.lines}
    for metric, figure in summary.figures():
        cells = next(cells for label, cells in lines.items() if label == heading(metric, figure))
        best = summary.stands_out(metric.name, figure)
        assert [cell.bold for cell in cells] == [name == best for name in summary.everybody]
    assert lines["Average Drop (%) ↓"][3].fools
    assert not lines["Loc(0) ↑"][3].fools


def test_wins_have_no_winner_against_themselves(summary):
    table = win_table(summary)
    assert [cells[k].text for k, (_, cells) in enumerate(table.lines)] == [""] * 5
    assert "ties" in table.lines[0][1][1].note


def test_drawings_can_be_read(summary):
    some = [one for one in summary.curves if one.name == "deletion_curve"]
    svg = curve_plot(summary, some)
    for words in ("pixels taken away, strongest first (%)", "confidence", "Grad-CAM++", "FakeCAM"):
        assert f">{words}<" in svg
    assert curve_plot(summary, some) == svg, "the same drawing, byte by byte"
    points = figure_plot(summary, summary.metrics["deletion_auc"], "Deletion AUC")
    shown = f"{summary.score('deletion_auc', 'Deletion AUC', 'random').estimate:.3f}"
    assert f">{shown}<" in points
    part = inline(points, 'a "label"', 7)
    assert part.startswith('<svg role="img" aria-label="a &#34;label&#34;"')
    assert "var(--s0)" in part
    assert "var(--ink)" in part
    assert not re.search("#[0-9a-f]{6}", part), "colours are the page's"


def test_drawing_leaves_matplotlib_as_it_was(summary):
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure_plot(summary, summary.metrics["loc"], "Loc(0)")
    assert dict(matplotlib.rcParams) == before


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


def test_markdown_tables_are_whole(summary):
    text = markdown("A | title", summary, ["plots/loc.svg"])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert text.startswith("# A \\| title\n")
    assert "![](plots/loc.svg)" in text
    assert "> **Caution.** FakeCAM" in text


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


def test_where_nothing_can_be_written_it_says_so(results, summary, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match=r"Expected to write .*report.html; .*another folder"):
        write(results, tmp_path / "out", summary=summary, images=0)


def test_one_method_alone_has_a_report(tmp_path):
    alone = made(3, methods=("my_cam",), controls=(), broken=(), silent=(), pictures=False)
    text = write(alone, tmp_path, metrics=METRICS, resamples=20)[0].read_text("utf-8")
    assert "my_cam on resnet50" in Page(text).text
    assert "Bold and coloured" not in text
    assert "Only 3 images" in text


def test_of_an_old_run_little_is_known(tmp_path, results):
    run = {"methods": results.run["methods"], "metrics": ["average_drop"], "protocol": {"gone": 1}}
    old = Made(run, results.rows, results.views)
    text = Page(
        write(old, tmp_path, metrics=METRICS, resamples=20, images=0)[0].read_text("utf-8")
    ).text
    assert "gone: 1" in text
    assert "FakeCAM" in text


def test_pictures_in_the_page_are_pictures(text):
    sources = [a["src"] for tag, a in Page(text).elements if tag == "img" and "src" in a]
    assert len(sources) == 3 * 3 * 5
    picture = Image.open(io.BytesIO(base64.b64decode(sources[0].partition(",")[2])))
    assert picture.size == (160, 160)
