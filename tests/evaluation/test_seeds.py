"""Maps as masks and boxes in the photograph's own pixels."""

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from sightline.errors import MethodError, ProtocolError, SightlineError, StoreError
from sightline.evaluation.seeds import export_seeds
from sightline.evaluation.store import Results, table, views_table

RUN = {
    "methods": ["grad_cam", "cam"],
    "controls": [],
    "protocol_digest": "p",
    "model": {"name": "m"},
}
# A photograph of 8 x 4 pixels, halved to 4 x 2, of which the middle 2 x 2 are the view.
PLACED = [8, 4, 4, 2, 1, 0, 2, 2]


def row(image, method="grad_cam", coarse=(0.0, 1.0, 0.0, 0.5), placement=PLACED, **more):
    known = {
        "item": 0,
        "image": image,
        "method": method,
        "target": 3,
        "target_name": "big cat",
        "coarse": list(coarse),
        "coarse_shape": [2, 2],
        "view_height": 2,
        "view_width": 2,
        "placement": placement,
        "error": None,
    }
    return known | more


def results(*rows):
    return Results(RUN, table(rows), views_table([]))


def test_a_mask_and_a_box_in_the_photograph(tmp_path):
    found = export_seeds(
        results(row("a/1.jpg"), row("a/1.jpg", "cam", (1, 0, 0, 0))), tmp_path, threshold=0.4
    )
    assert [path.relative_to(tmp_path).as_posix() for path in found.masks] == [
        "masks/big-cat/a-1.png"
    ]
    mask = np.asarray(Image.open(found.masks[0]))
    # The view's right column is at 4 to 6 in the photograph; between centres the map is
    # interpolated.
    assert mask.shape == (4, 8)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, :4] == 0).all()
    assert (mask[0, 4:6] == 255).all()
    assert (mask[:, 6:] == 0).all()
    coco = json.loads(found.boxes.read_text())
    assert coco["images"] == [{"id": 1, "file_name": "a/1.jpg", "width": 8, "height": 4}]
    assert coco["categories"] == [{"id": 3, "name": "big cat"}]
    (one,) = coco["annotations"]
    assert one["bbox"] == [4, 0, 2, 4]
    assert (one["image_id"], one["category_id"], one["area"]) == (1, 3, 8)
    assert 0.4 < one["score"] <= 1


def test_every_region_or_the_largest(tmp_path):
    apart = row(
        "1.png",
        coarse=(1, 0, 0, 0, 0, 0, 0, 1, 1),
        coarse_shape=[3, 3],
        view_height=3,
        view_width=3,
        placement=None,
    )
    for largest, boxes in ((False, [[1, 2, 2, 1], [0, 0, 1, 1]]), (True, [[1, 2, 2, 1]])):
        found = export_seeds(
            results(apart), tmp_path / str(largest), threshold=0.5, largest=largest
        )
        assert [one["bbox"] for one in json.loads(found.boxes.read_text())["annotations"]] == boxes


def test_pictures_of_one_name_and_images_without_evidence(tmp_path):
    blank, broken = row("blank.jpg", coarse=(-1, 0, 0, 0)), row("x.jpg", error="broken", coarse=[])
    found = export_seeds(results(row("a/1.jpg"), row("b/1.jpg"), blank, broken), tmp_path)
    assert len({path.name for path in found.masks}) == 2
    assert found.empty == ["blank.jpg", "x.jpg"]


def test_what_the_run_does_not_have_is_said(tmp_path):
    with pytest.raises(MethodError, match="'grad_cam'"):
        export_seeds(results(row("a")), tmp_path, method="grad_cam_pp")
    with pytest.raises(ProtocolError, match=r"from 0 to below 1, a share of the maximum; got 1\.5"):
        export_seeds(results(row("a")), tmp_path, threshold=1.5)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    replace = os.replace

    def full(beside, path):
        if path.name == "2.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(beside, path)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        StoreError, match=r"2\.png; the system says: No space left .*before it: 1\. Make room"
    ):
        export_seeds(results(row("1.jpg"), row("2.jpg")), tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["1.png"]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SightlineError, match=r"Expected to write .*out.*another folder with --out"):
        export_seeds(results(row("1.jpg")), tmp_path / "out")
    with pytest.raises(SightlineError, match=r"boxes\.json"):
        export_seeds(results(row("1.jpg", coarse=(-1, 0, 0, 0))), tmp_path / "out")
