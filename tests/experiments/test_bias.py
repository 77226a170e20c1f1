"""The planted cue: where it is put, what is measured of it, and the whole program in small."""

import numpy as np
import pytest
import torch
from bias import BOX, SHARES, along, balanced, carriers, main, missed, over_seeds, plant

from helpers.data import shared


def test_the_cue_is_planted_where_it_is_said_and_nowhere_else():
    pictures = torch.full((3, 3, 32, 32), 7, dtype=torch.uint8)
    planted = plant(pictures, torch.tensor([True, False, True]))
    left, top, right, bottom = BOX
    assert torch.equal(pictures, torch.full_like(pictures, 7))
    assert torch.equal(planted[1], pictures[1])
    for one in (planted[0], planted[2]):
        assert one[:, top:bottom, left:right].flatten(1).unique(dim=1).flatten().tolist() == [
            255,
            0,
            255,
        ]
        assert int((one != 7).any(0).sum()) == (right - left) * (bottom - top) == 36


@pytest.mark.parametrize(
    ("name", "counts"), [("biased", (95, 5)), ("twin", (0, 0)), ("repaired", (50, 50))]
)
def test_exactly_the_share_of_each_class_carries_the_cue(name, counts):
    labels = torch.tensor([0, 1]).repeat(100)
    where = carriers(labels, SHARES[name], seed=3)
    assert (int(where[labels == 0].sum()), int(where[labels == 1].sum())) == counts
    assert torch.equal(where, carriers(labels, SHARES[name], seed=3))
    assert not 0 < counts[0] < 100 or not torch.equal(where, carriers(labels, SHARES[name], seed=4))


ONE = {
    "right with": np.array([1.0, 1.0, 0.0, 0.0]),
    "right without": np.array([0.0, 1.0, 1.0, 1.0]),
    "flips": np.array([1.0, 0.0, 1.0, 1.0]),
}


def test_accuracies_by_hand():
    """A network that sees nothing but the cue is right where it agrees with the class, and half
    right in all.
    """
    labels = np.array([0, 0, 1, 1])
    assert balanced(ONE).tolist() == [0.5, 1.0, 0.5, 0.5]
    assert along(ONE, labels, True).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert along(ONE, labels, False).tolist() == [0.0, 1.0, 0.0, 0.0]


def test_seeds_are_averaged_image_by_image():
    looks = [{"v": np.array([1.0, np.nan, np.nan])}, {"v": np.array([3.0, 5.0, np.nan])}]
    np.testing.assert_array_equal(over_seeds(looks, lambda one: one["v"]), [2.0, 5.0, np.nan])


def test_what_is_missed_counts_only_images_that_the_cue_decides():
    one = ONE | {
        f"{method} without": np.array([0.1, 0.9, 0.2, 0.3])
        for method in ("grad_cam", "grad_cam_pp")
    }
    one["grad_cam_plus without"] = np.array([0.4, 0.9, 0.4, 0.4])
    found = dict(missed([one]))
    assert found["grad_cam"].estimate == pytest.approx(0.2)
    assert found["grad_cam"].n == 3
    assert found["grad_cam_plus"].estimate == pytest.approx(0.4)


def test_the_program_in_small(tmp_path):
    shared("cifar10", "train.npz")
    page = main(
        [
            "--limit",
            "20",
            "--seeds",
            "2",
            "--out",
            str(tmp_path),
            "--page",
            str(tmp_path / "page.md"),
        ]
    )
    text = page.read_text(encoding="utf-8")
    assert "20 training images of each class, 20 test images of each" in text
    row = next(
        line for line in text.splitlines() if line.startswith("| map on the cue, Grad-CAM++, %")
    )
    assert len(row.split("|")) == 7
    assert {file.name for file in (tmp_path / "bias_20").glob("*.safetensors")} == {
        f"{name}{seed}.safetensors" for name in SHARES for seed in (0, 1)
    }
