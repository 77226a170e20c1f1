"""Drawings are SVG that can be read, and leave matplotlib as it was."""

import re

import pytest

from sightline.evaluation.report.plots import curve_plot, figure_plot, inline


@pytest.mark.slow
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
