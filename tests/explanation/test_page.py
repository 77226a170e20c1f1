"""Explanations as a page: what stands where, with the figures that were measured."""

import re

import numpy as np
import pytest
import torch

from helpers.nets import batch, convnet
from sightline import METHODS, explain
from sightline.explanation.confidence import kept_confidence
from sightline.explanation.page import EXPLANATION_MAP, LEGEND, entries, page
from sightline.maps.describe import sentence
from sightline.methods.names import title_of
from sightline.render import explanation_map

NAMES = ["tabby", "crane", "cup", "car", "key"]


def test_an_entry_an_image_with_every_methods_picture_and_the_explanation_map():
    net, x = convnet(), batch()
    found = explain(net, x, 1, ["grad_cam", "grad_cam_pp", "guided_grad_cam"], classes=NAMES)
    rows = entries(net, found, {"image 1": "The second one."})
    assert [row.title for row in rows] == ["image 0", "image 1", "image 2"]
    assert [row.sentences for row in rows] == ["", "The second one.", ""]
    kept = kept_confidence(net, found["grad_cam_pp"])
    for i, row in enumerate(rows):
        titles = [figure.caption for figure in row.figures]
        assert titles == ["Grad-CAM", "Grad-CAM++", "Guided Grad-CAM", "Explanation map"]
        for figure, e in zip(row.figures, found.values(), strict=False):
            assert np.array_equal(np.asarray(figure.picture), np.asarray(e.picture(i)))
        assert [figure.note for figure in row.figures[:3]] == [
            sentence(found["grad_cam"].maps[i]),
            sentence(found["grad_cam_pp"].maps[i]),
            "",
        ]
        seen = explanation_map(found["grad_cam"].photograph(i), found["grad_cam_pp"].maps[i])
        assert np.array_equal(np.asarray(row.figures[3].picture), np.asarray(seen))
        sure = float(found["grad_cam"].probabilities[i])
        assert row.figures[3].bar.value == pytest.approx(float(kept[i]))
        assert row.figures[3].bar.tick == pytest.approx(sure)
        assert (
            f"confidence in crane goes from {sure:.0%} to {float(kept[i]):.0%}"
            in row.figures[3].note
        )
        assert [bar.label for bar in row.bars] == [
            target.name for target, _ in found["grad_cam"].top[i]
        ]
        assert [bar.label for bar in row.bars if bar.marked] == ["crane"]
        assert row.facts["layer"] == "5: the last feature map (8 channels, 12 x 10 places)"
        assert row.facts["methods"] == "grad_cam, grad_cam_pp, guided_grad_cam"
        assert row.warnings == []


def test_several_targets_are_grouped_with_their_confidence():
    net, x = convnet(), batch(b=1)
    found = explain(net, x, [1, 0], ["grad_cam", "layer_cam"], classes=NAMES)
    (row,) = entries(net, found)
    sure = found["grad_cam"].probabilities[0].tolist()
    groups = [f"crane {sure[0]:.0%}", f"tabby {sure[1]:.0%}"]
    assert [figure.group for figure in row.figures] == [group for group in groups for _ in range(3)]
    assert {bar.label for bar in row.bars if bar.marked} == {"crane", "tabby"}
    kept = kept_confidence(net, found["layer_cam"])  # the last of the maps, without Grad-CAM++
    shares = [figure.bar.value for figure in row.figures if figure.bar is not None]
    assert shares == pytest.approx(kept[0].tolist())


def test_what_is_wrong_with_a_map_is_a_warning():
    net, x = convnet(), batch(b=1)
    with torch.no_grad():
        net[8].weight[2] = -net[8].weight[2].abs()
    (row,) = entries(net, explain(net, x, [1, 2], ["grad_cam_pp"], classes=NAMES))
    assert len(row.warnings) == 1
    assert row.warnings[0].startswith(
        "Grad-CAM++, cup: no positive evidence. No place at '5' speaks for 'cup'"
    )


@pytest.mark.parametrize(
    "target", [lambda out: out[:, 1], [lambda out: out[:, 1], lambda out: out[:, 0]]]
)
def test_a_function_of_the_outputs_has_maps_but_no_confidence(target):
    net, x = convnet(), batch(b=2)
    rows = entries(net, explain(net, x, target, ["grad_cam_pp", "gradient"]))
    n = len(target) if isinstance(target, list) else 1
    for row in rows:
        assert [figure.caption for figure in row.figures] == ["Grad-CAM++", "Gradient"] * n
        assert row.bars == []


def test_pixel_methods_alone_make_a_page():
    net, x = convnet(), batch(b=1)
    (row,) = entries(net, explain(net, x, 1, ["gradient", "guided_grad_cam"]))
    assert [figure.caption for figure in row.figures][:2] == ["Gradient", "Guided Grad-CAM"]


@pytest.mark.parametrize(
    "name",
    [*METHODS, "gradient", "guided_backprop", "deconvnet", "guided_grad_cam", "guided_layer_cam"],
)
def test_every_method_has_a_title_and_a_place_in_the_legend(name):
    title = title_of(name)
    assert title[0].isupper()
    assert "_" not in title
    html = page("Title", "Intro.", [], [name])
    assert title.replace("+", "&#43;") in html or title in html


def test_the_page_holds_title_legend_and_entries_and_loads_nothing():
    net, x = convnet(), batch(b=1)
    found = explain(
        net,
        x,
        1,
        ["grad_cam_pp", "grad_cam"],
        classes=["<b>tabby</b>", "<script>alert(1)</script>", "c", "d", "e"],
    )
    html = page("What & why", ["One.", "Two."], entries(net, found), list(found), footer="The end.")
    for text in (
        "What &amp; why",
        "One.",
        "Two.",
        "The end.",
        "image 0",
        LEGEND["grad_cam"].split(":")[0],
        "Grad-CAM++",
    ):
        assert text in html, text
    assert EXPLANATION_MAP.split(",")[0] in html
    assert "<script>alert" not in html
    assert "<b>tabby" not in html
    loaded = re.findall(r"""\b(?:src|href|url)(?:=|\()["']?([^"'\s)>]+)""", html)
    assert (
        len([address for address in loaded if address.startswith("data:image/")]) == 4
    )  # the photograph and three
    assert [address for address in loaded if not address.startswith(("data:", "#"))] == []
    assert "@import" not in html
