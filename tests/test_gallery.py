"""The programs of the gallery run, and their pictures show what their captions say."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sightline import explain
from sightline.targets import Box, Region, Similarity

GALLERY = Path(__file__).resolve().parents[1] / "docs" / "gallery"
PROGRAMS = sorted(path.stem for path in GALLERY.glob("*.py") if path.stem != "drawn")
TRANSFORMERS = ("segmentation", "detr")


@pytest.fixture
def drawn(monkeypatch):
    """The module the programs share, found as they find it: beside them."""
    monkeypatch.syspath_prepend(str(GALLERY))
    import drawn

    yield drawn
    sys.modules.pop("drawn", None)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_writes_its_picture(name, drawn, tmp_path, monkeypatch):
    if name in TRANSFORMERS:
        pytest.importorskip(
            "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
        )
    if name in ("cat_and_cup", "contrast"):
        pytest.importorskip(
            "skimage.data", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
        )
    target = tmp_path / f"{name}.jpg"
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(target)])
    runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
    with (
        Image.open(target) as picture,
        Image.open(GALLERY.parent / "pictures" / f"{name}.jpg") as kept,
    ):
        assert picture.size == kept.size, (
            "the picture in docs/pictures is another one: run the program again"
        )


def inside(image_map, box):
    """Whether the peak of a map lies in a box."""
    y, x = divmod(int(image_map.argmax()), image_map.shape[1])
    return bool(box[0] <= x + 0.5 <= box[2] and box[1] <= y + 0.5 <= box[3])


def said(pattern):
    """The numbers in a sentence of docs/targets.md."""
    text = " ".join((GALLERY.parent / "targets.md").read_text(encoding="utf-8").split())
    return [int(number) for number in re.search(pattern, text).groups()]


@pytest.mark.slow
def test_a_box_s_map_peaks_in_the_box_with_weights_for_each_place(drawn):
    model, hits, count = drawn.trained("faster_rcnn"), {"layer_cam": 0, "grad_cam": 0}, 0
    for seed in range(1_000_000, 1_000_020):
        one = drawn.scene(seed, shapes=3, size=(80, 120))
        asked = [Box(box, 1 + kind) for box, kind in zip(one.boxes, one.kinds, strict=True)]
        found = explain(model, one.picture[None], asked, list(hits), layer="backbone.11")
        for name, e in found.items():
            hits[name] += sum(inside(e.maps[0, j], box) for j, box in enumerate(one.boxes))
        count += len(asked)
    assert count == 60
    told = said(r"for (\d+) of 60 boxes with Layer-CAM, and for (\d+) with Grad-CAM")
    assert list(hits.values()) == pytest.approx(
        told, abs=2
    )  # another machine may round a peak to its neighbour


@pytest.mark.slow
def test_a_query_s_map_peaks_in_its_box_with_weights_for_each_place(drawn):
    pytest.importorskip(
        "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
    )
    model, hits = drawn.trained("detr"), {"layer_cam": 0, "grad_cam": 0}
    for seed in range(1_000_000, 1_000_014):
        one = drawn.scene(seed, shapes=3)
        images = (one.picture[None] - 0.5) / 0.25
        asked = [
            Box(box, colour, kind="sigmoid")
            for box, colour in zip(one.boxes, one.colours, strict=True)
        ]
        found = explain(model, images, asked, list(hits), layer="model.encoder.layers.0")
        for name, e in found.items():
            hits[name] += sum(inside(e.maps[0, j], box) for j, box in enumerate(one.boxes))
    told = said(
        r"in the encoder's map Layer-CAM's peak lay in the box for (\d+) of 42 shapes, Grad-CAM's"
        r" for (\d+)"
    )
    assert list(hits.values()) == pytest.approx(told, abs=2)


@pytest.mark.slow
def test_a_class_s_map_peaks_on_its_shape(drawn):
    pytest.importorskip(
        "transformers", reason="needs transformers: pip install 'sightline-cam[test]'"
    )
    model, hits = drawn.trained("segformer"), []
    for seed in range(1_000_000, 1_000_010):
        one = drawn.scene(seed, shapes=3, size=(96, 128))
        e = explain(
            model,
            (one.picture[None] - 0.5) / 0.25,
            [Region(1 + kind) for kind in one.kinds],
            "hires_cam",
            layer="decode_head.activation",
        )
        hits += [inside(e.maps[0, j], box) for j, box in enumerate(one.boxes)]
    assert sum(hits) / len(hits) >= 0.95


@pytest.mark.slow
def test_a_caption_s_map_peaks_on_the_shape_it_names(drawn):
    model, named, other, rather = drawn.trained("clip"), 0, 0, 0
    for seed in range(1_000_000, 1_000_040):
        one = drawn.scene(seed)
        inputs = {
            "input_ids": drawn.tokens([drawn.CAPTIONS[k] for k in one.captions]),
            "pixel_values": (one.picture[None] - 0.5) / 0.25,
        }
        with torch.no_grad():
            first, second = model(**inputs)["text_embeds"]
        asked = [Similarity(one) for one in (first, second, first - second, second - first)]
        e = explain(model, inputs, asked, "grad_cam", layer="visual")
        for j, box in enumerate(one.boxes):
            named += inside(e.maps[0, j], box)
            other += inside(e.maps[0, 1 - j], box)
            rather += inside(e.maps[0, 2 + j], box)
    told = said(r"for (\d+) of 80 captions, in that of the other shape for (\d+); .* it is (\d+)")
    assert [named, other, rather] == pytest.approx(told, abs=2)


def test_what_is_said_of_the_networks_was_measured(drawn):
    told = json.loads((GALLERY / "weights" / "measured.json").read_text(encoding="utf-8"))
    assert (
        set(told)
        == set(drawn.NETWORKS)
        == {path.stem for path in (GALLERY / "weights").glob("*.safetensors")}
    )
