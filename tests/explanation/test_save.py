"""Explanations on disk."""

import errno
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from helpers.nets import batch, convnet
from sightline import explain
from sightline.explanation.save import file_name, unused

CLASSES = ["tabby, tabby cat", "tiger/cat", "cup", "crane", "crane"]


def test_a_picture_for_each_map_all_tensors_and_the_record(tmp_path):
    e = explain(convnet(), batch(b=2), [0, 1], classes=CLASSES)
    written = e.save(tmp_path / "new" / "folder")
    assert [path.name for path in written] == [
        "image-0_grad_cam_pp_tabby-tabby-cat.png",
        "image-0_grad_cam_pp_tiger-cat.png",
        "image-1_grad_cam_pp_tabby-tabby-cat.png",
        "image-1_grad_cam_pp_tiger-cat.png",
        "explanation_grad_cam_pp.safetensors",
        "explanation_grad_cam_pp.json",
    ]
    assert sorted(written) == sorted((tmp_path / "new" / "folder").iterdir())
    for path, (i, j, *_) in zip(written, e.each(), strict=False):
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), np.asarray(e.picture(i, j)))
    tensors = load_file(written[4])
    assert set(tensors) == {"maps", "coarse", "scores", "probabilities"}
    for name, tensor in tensors.items():
        assert torch.equal(tensor, getattr(e, name))
    assert json.loads(written[5].read_text(encoding="utf-8")) == json.loads(e.as_json())


@pytest.mark.parametrize("method", ["gradient", "guided_grad_cam"])
def test_pixels_are_saved_too(method, tmp_path):
    e = explain(convnet(), batch(), 1, method)
    assert [path.name for path in e.save(tmp_path)][:3] == [
        f"image-{i}_{method}.png" for i in range(3)
    ]
    assert torch.equal(
        load_file(tmp_path / f"explanation_{method}.safetensors")["pixels"], e.pixels
    )


def test_a_cut_and_a_half_precision_explanation_can_be_saved(tmp_path):
    e = explain(convnet(), batch(), [0, 1])[1:].to(torch.bfloat16)
    e.save(tmp_path)
    assert torch.equal(load_file(tmp_path / "explanation_grad_cam_pp.safetensors")["maps"], e.maps)


def test_a_target_that_is_a_function_has_no_probabilities_to_save(tmp_path):
    explain(convnet(), batch(), lambda out: out[:, 0]).save(tmp_path)
    assert set(load_file(tmp_path / "explanation_grad_cam_pp.safetensors")) == {
        "maps",
        "coarse",
        "scores",
    }


def test_names_that_would_collide_are_told_apart(tmp_path):
    e = explain(convnet(), batch(), [3, 4], classes=CLASSES)
    object.__setattr__(e, "names", ["a.jpg", "A.png", "a.jpg"])
    names = [path.name for path in e.save(tmp_path)[:6]]
    assert names == [
        "a_grad_cam_pp_crane.png",
        "a_grad_cam_pp_crane-2.png",
        "A_grad_cam_pp_crane-3.png",
        "A_grad_cam_pp_crane-4.png",
        "a_grad_cam_pp_crane-5.png",
        "a_grad_cam_pp_crane-6.png",
    ]


def test_several_methods_in_one_folder_do_not_overwrite_each_other(tmp_path):
    found = explain(convnet(), batch(), 1, ["grad_cam", "layer_cam"])
    written = [path for e in found.values() for path in e.save(tmp_path)]
    assert len(set(written)) == len(written) == 10
    again = [path for e in found.values() for path in e.save(tmp_path)]
    assert again == written  # a later run replaces its own files


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cat.jpg", "cat"),
        ("cat.JPEG", "cat"),
        ("photo.01.png", "photo.01"),
        ("archive.tar", "archive.tar"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\photos\\cat.png", "C-photos-cat"),
        ("a b\tc\n.webp", "a-b-c"),
        (".hidden.png", "hidden"),
        ("...", "image"),
        ("", "image"),
        (".png", "image"),
        ("Kätzchen 猫.jpg", "Kätzchen-猫"),
        ("<lambda>", "lambda"),
    ],
)
def test_any_text_becomes_part_of_a_file_name(text, name):
    assert file_name(text) == name


def test_unused_names():
    taken = {"cat"}
    assert [unused(stem, taken) for stem in ("cat", "dog", "cat", "DOG", "cat-2")] == [
        "cat-2",
        "dog",
        "cat-3",
        "DOG-2",
        "cat-2-2",
    ]
    assert taken == {"cat", "cat-2", "dog", "cat-3", "dog-2", "cat-2-2"}


def test_another_explanation_is_written_beside_and_the_same_again_replaces_its_own(tmp_path):
    net, x = convnet(), batch(b=1)
    first = explain(net, x, 0).save(tmp_path)
    for other in (
        explain(net, x, 1),
        explain(net, x, 0, layer="3"),
        explain(net, x, 0, alpha="authors"),
    ):
        written = other.save(tmp_path)
        assert not set(written) & set(first)
        assert written == other.save(tmp_path)
    kept = json.loads(first[-1].read_text(encoding="utf-8"))
    assert kept["maps"][0]["target"] == 0
    assert kept["layer"]["name"] == "5"
    assert first == explain(net, x, 0).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".json") == [
        "explanation_grad_cam_pp-2.json",
        "explanation_grad_cam_pp-3.json",
        "explanation_grad_cam_pp-4.json",
        "explanation_grad_cam_pp.json",
    ]
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_a_record_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "explanation_grad_cam_pp.json").write_text("my notes", encoding="utf-8")
    written = explain(convnet(), batch(b=1), 0).save(tmp_path)
    assert written[-1].name == "explanation_grad_cam_pp-2.json"
    assert (tmp_path / "explanation_grad_cam_pp.json").read_text(encoding="utf-8") == "my notes"


def test_a_folder_that_cannot_be_made_is_told():
    with pytest.raises(
        OSError, match=r"can be written into; /proc/no cannot be made \(.*\). Give another"
    ):
        explain(convnet(), batch(b=1)).save("/proc/no")


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(
        NotADirectoryError, match=r"a folder to write into; .*out is a file. Give another name"
    ):
        explain(convnet(), batch(b=1)).save(tmp_path / "out")


def test_a_disk_that_runs_full_leaves_no_half_file(tmp_path, monkeypatch):
    replace = os.replace

    def full(beside, path):
        if path.suffix == ".safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(beside, path)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        explain(convnet(), batch(), 0).save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png"}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
