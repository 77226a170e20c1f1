"""The program in small, the halves of the images, and the classes that COCO and ImageNet share."""

import json

import numpy as np
import pytest
import several
from networks import imagenet_names

from helpers.data import shared
from sightline.datasets.annotation import ONE, SEVERAL

MAPPING = json.loads(several.MAPPING.read_text("utf-8"))


def test_every_class_of_coco_is_decided_and_every_name_is_imagenets():
    names = imagenet_names(shared("imagenet-samples").parent)
    content = json.loads(shared("coco-subset", "instances.json").read_text("utf-8"))
    assert set(MAPPING) == {one["name"] for one in content["categories"]}
    mapped = {name: other for name, other in MAPPING.items() if other is not None}
    assert len(set(mapped.values())) == len(mapped) == 37
    assert [name for name in mapped.values() if sum(one == name for one in names) != 1] == []
    assert MAPPING["kite"] is None  # ImageNet's is the bird


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    shared("imagenet-weights"), shared("kangaroo-voc")
    return several.run(shared("coco-subset").parent, tmp_path_factory.mktemp("several"), 3)


def test_the_halves_are_told_apart_by_their_boxes(found):
    for kinds in found.values():
        parts = several.halves(kinds["given"], "given")
        counts = [len(boxes) for boxes in kinds["given"].column("boxes", "grad_cam")]
        expected = {SEVERAL: sum(n > 1 for n in counts), ONE: counts.count(1)}
        assert {tag: one.images for tag, one in parts.items()} == {
            tag: n for tag, n in expected.items() if n
        }


def test_recall_on_the_page_is_that_of_the_rows(found):
    lines = several.page(found, whole=False)
    for name, kinds in found.items():
        for tag, summary in several.halves(kinds["given"], "given").items():
            rows = kinds["given"]
            both = zip(
                rows.column("boxes", "grad_cam_pp"),
                rows.column("instance_recall", "grad_cam_pp"),
                strict=True,
            )
            kept = [recall[1] for boxes, recall in both if several.in_view({"boxes": boxes}) == tag]
            start = next(
                k
                for k, line in enumerate(lines)
                if line.startswith(f"| {name}, {tag}") and "recall" in line
            )
            (line,) = (one for one in lines[start : start + 4] if one.startswith("| Grad-CAM++ |"))
            expected = several.number(100 * np.mean(kept), "%") if kept else "–"
            assert line.split(" | ")[1].split(" ")[0] == expected, (name, tag, summary.images)


def test_the_difference_of_differences_by_hand():
    class Rows:
        def column(self, name, method):
            if name == "tags":
                return [[SEVERAL], [SEVERAL], [ONE], [ONE]]
            return {"grad_cam_pp": [0.1, 0.2, 0.3, 0.4], "grad_cam": [0.3, 0.4, 0.3, 0.6]}[method]

    assert several.more(Rows())[0] == pytest.approx(-20 - -10)
