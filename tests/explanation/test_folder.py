"""A folder of pictures, whatever is in it."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from helpers.closeness import assert_near
from helpers.nets import assert_same, convnet, photograph
from sightline import Preprocess, describe, explain
from sightline.errors import ImageError, LayerError, MethodError, TargetError
from sightline.explanation.folder import MOST_ON_PAGE, explain_folder, pictures
from sightline.models import Card

PREPROCESS = Preprocess(resize=16, crop=(12, 10))
BROKEN = {
    "b_empty.jpg": b"",
    "c_text.png": b"hello, this is no picture",
    "d_cut.png": None,
    "e_junk.jpg": b"\xff\xd8\xff\xe0" + os.urandom(64),
}


def noise(seed, size=(40, 30)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.fixture
def model():
    net = convnet()
    describe(
        net,
        Card("mine", None, PREPROCESS, ("tabby", "crane", "cup", "car", "key"), "made for a test"),
    )
    return net


@pytest.fixture
def folder(tmp_path):
    """Two good pictures at the ends, and everything that can be wrong with a file between them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise(1).save(folder / "a.png")
    for name, content in BROKEN.items():
        (folder / name).write_bytes(
            content if content is not None else (folder / "a.png").read_bytes()[:900]
        )
    (folder / "notes.txt").write_text("not looked at")
    noise(2, (25, 60)).save(folder / "z.jpg")
    return folder


def lines_of(out):
    return [
        json.loads(line)
        for line in (out / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_broken_files_are_reported_and_the_rest_is_done(model, folder, tmp_path, batch_size):
    out, steps = tmp_path / "out", []
    before = photograph(model)
    outcome = explain_folder(
        model,
        folder,
        out,
        method=["grad_cam_pp", "grad_cam"],
        batch_size=batch_size,
        progress=steps.append,
    )
    assert_same(before, photograph(model))
    assert [path.name for path in outcome.done] == ["a.png", "z.jpg"]
    assert [path.name for path in outcome.failed] == list(BROKEN)
    for path, reason in outcome.failed.items():
        assert str(path) in reason
        assert "xpected" in reason
    assert sum(steps) == 6
    assert outcome.page == out / "index.html"
    html = outcome.page.read_text(encoding="utf-8")
    assert "2 pictures, model mine, Grad-CAM++, Grad-CAM." in html
    assert "4 files could not be read" in html
    for name in ("a.png", "z.jpg", *BROKEN):
        assert name in html


def test_what_is_written_is_what_explain_gives(model, folder, tmp_path):
    out = tmp_path / "out"
    explain_folder(model, folder, out, target=["crane", 0], method=["grad_cam", "layer_cam"])
    lines = lines_of(out)
    assert len(lines) == 8
    for name in ("a.png", "z.jpg"):
        found = explain(model, folder / name, [1, 0], ["grad_cam", "layer_cam"])
        tensors = load_file(out / "maps" / f"{name[0]}.safetensors")
        assert len(tensors) == 6
        for method, e in found.items():
            for part in ("maps", "coarse", "scores"):
                assert_near(tensors[f"{method}/{part}"], getattr(e, part)[0], 1e-5)
            for j, k in enumerate(("crane", "tabby")):
                (line,) = [
                    line
                    for line in lines
                    if line["file"].endswith(name) and (line["method"], line["name"]) == (method, k)
                ]
                assert line["score"] == pytest.approx(float(e.scores[0, j]), rel=1e-4)
                assert line["probability"] == pytest.approx(float(e.probabilities[0, j]), rel=1e-4)
                assert (line["status"], line["layer"], line["target"]) == (
                    e.status[0][j].word,
                    "5",
                    [1, 0][j],
                )
                with Image.open(out / line["picture"]) as picture:
                    assert np.array_equal(np.asarray(picture), np.asarray(e.picture(0, j)))
    assert len(list((out / "pictures").iterdir())) == 8


@pytest.mark.parametrize(
    ("asked", "maps"),
    [
        ({}, 1),
        ({"method": "grad_cam"}, 1),
        ({"target": "top3"}, 3),
        ({"method": ["guided_grad_cam_pp", "gradient", "cam"]}, 3),
        ({"target": lambda out: out[:, 1]}, 1),
        (
            {
                "target": [lambda out: out[:, 1], lambda out: out[:, 0]],
                "method": ["grad_cam", "gradient"],
            },
            4,
        ),
        (
            {
                "method": ["grad_cam_pp", "grad_cam"],
                "score": "softmax",
                "alpha": "authors",
                "counterfactual": True,
            },
            2,
        ),
        ({"layer": "2", "target": "crane"}, 1),
    ],
    ids=lambda value: str(value)[:20].partition("<")[0],
)
def test_everything_that_can_be_asked_can_be_asked_of_a_folder(
    model, folder, tmp_path, asked, maps
):
    out = tmp_path / "out"
    assert len(explain_folder(model, folder, out, **asked).done) == 2
    lines = lines_of(out)
    assert len(lines) == 2 * maps
    assert len({line["picture"] for line in lines}) == 2 * maps
    assert all((out / line["picture"]).is_file() for line in lines)
    if "layer" in asked:
        assert {line["layer"] for line in lines} == {"2"}


def test_pictures_of_different_sizes_are_done_where_nothing_is_cut(model, folder, tmp_path):
    outcome = explain_folder(
        model, folder, tmp_path / "out", preprocess=Preprocess(resize=16, crop=None)
    )
    assert [path.name for path in outcome.done] == ["a.png", "z.jpg"]
    shapes = {
        name: tuple(
            load_file(tmp_path / "out/maps" / f"{name}.safetensors")["grad_cam_pp/maps"].shape
        )
        for name in "az"
    }
    assert shapes == {"a": (21, 16), "z": (16, 38)}


def test_files_of_one_name_in_different_folders_are_told_apart(model, tmp_path):
    for i, where in enumerate(("one", "two")):
        (tmp_path / where).mkdir()
        noise(i).save(tmp_path / where / "cat.png")
    out = tmp_path / "out"
    explain_folder(model, [tmp_path / "one", tmp_path / "two"], out)
    assert sorted(path.name for path in (out / "maps").iterdir()) == [
        "cat-2.safetensors",
        "cat.safetensors",
    ]
    assert sorted(path.name for path in (out / "pictures").iterdir()) == [
        "cat-2_grad_cam_pp.png",
        "cat_grad_cam_pp.png",
    ]
    first, second = lines_of(out)
    assert (first["picture"], second["picture"]) == (
        "pictures/cat_grad_cam_pp.png",
        "pictures/cat-2_grad_cam_pp.png",
    )
    assert first["file"] != second["file"]


def test_a_second_run_does_not_explain_the_pictures_of_the_first(model, folder):
    out = folder / "out"
    for _ in range(2):
        outcome = explain_folder(model, folder, out)
        assert [path.name for path in outcome.done] == ["a.png", "z.jpg"]
    assert len(lines_of(out)) == 2
    picture = out / "pictures" / "a_grad_cam_pp.png"
    assert pictures(picture, out) == [picture]  # named by itself it is meant


def test_only_broken_files_still_make_a_page(model, folder, tmp_path):
    for name in ("a.png", "z.jpg"):
        (folder / name).unlink()
    outcome = explain_folder(model, folder, tmp_path / "out")
    assert outcome.done == []
    assert len(outcome.failed) == 4
    assert "0 pictures" in outcome.page.read_text(encoding="utf-8")
    assert lines_of(tmp_path / "out") == []


def test_an_image_whose_numbers_overflow_does_not_stop_the_others(folder, tmp_path, model):
    class Spoils(torch.nn.Module):
        def forward(self, x):
            return torch.where(
                x.amin((1, 2, 3), keepdim=True) > 2, float("inf"), x
            )  # white pictures

    net = torch.nn.Sequential(Spoils(), *model).eval()
    Image.new("RGB", (30, 40), "white").save(folder / "m.png")
    outcome = explain_folder(
        net, folder, tmp_path / "out", method=["grad_cam", "gradient"], preprocess=PREPROCESS
    )
    assert [path.name for path in outcome.done] == ["a.png", "m.png", "z.jpg"]
    words = [line["status"] for line in lines_of(tmp_path / "out")]
    assert words == ["ok", "non-finite", "ok"] * 2
    assert "holds NaN or infinity" in outcome.page.read_text(encoding="utf-8")


def test_the_page_shows_the_first_hundred(model, tmp_path, monkeypatch):
    monkeypatch.setattr("sightline.explanation.folder.MOST_ON_PAGE", 3)
    for i in range(5):
        noise(i).save(tmp_path / f"{i}.png")
    outcome = explain_folder(model, tmp_path, tmp_path / "out", batch_size=2)
    html = outcome.page.read_text(encoding="utf-8")
    assert len(outcome.done) == 5
    assert [f"{i}.png" in html for i in range(5)] == [True, True, True, False, False]
    assert "The page shows the first 3" in html
    assert MOST_ON_PAGE == 100


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"method": ["grad_cam3"]}, MethodError, "Near names: 'grad_cam'"),
        ({"method": "grad_cam", "score": "softmax"}, MethodError, "Only grad_cam_pp has forms"),
        ({"alfa": 1}, MethodError, "has an option 'alfa'"),
        ({"layer": "99"}, LayerError, "no layer '99'"),
        ({"layer": ["2", "5"]}, LayerError, "one layer for a folder; got 2"),
        ({"target": "tabbi"}, TargetError, "Near names: 'tabby'"),
    ],
    ids=str,
)
def test_an_error_that_would_strike_every_picture_is_raised(
    model, folder, tmp_path, asked, error, message
):
    with pytest.raises(error, match=message):
        explain_folder(model, folder, tmp_path / "out", **asked)


def test_each_file_its_own_class(model, folder, tmp_path):
    """In the order of the files, whichever are broken and however many go together."""
    files = pictures(folder, tmp_path / "out")
    classes = torch.arange(len(files)) % 5
    outcome = explain_folder(model, folder, tmp_path / "out", target=classes, batch_size=2)
    lines = [
        json.loads(line)
        for line in (tmp_path / "out" / "explanations.jsonl").read_text().splitlines()
    ]
    assert len(lines) == len(outcome.done) == 2 < len(files)
    for line in lines:
        alone = explain(
            model, line["file"], int(classes[[str(path) for path in files].index(line["file"])])
        )
        assert line["score"] == pytest.approx(float(alone.scores), rel=1e-5)
    with pytest.raises(
        TargetError, match=rf"a class for each of the {len(files)} files, in their order; got 1"
    ):
        explain_folder(model, folder, tmp_path / "more", target=classes[:1])


@pytest.mark.parametrize("source", ["nowhere", []])
def test_nothing_to_explain_is_an_error(model, tmp_path, source):
    with pytest.raises(ImageError):
        explain_folder(model, source, tmp_path / "out")


def test_an_error_that_strikes_every_picture_leaves_no_folder_behind(model, folder, tmp_path):
    for options, error in (
        ({"target": "unknown"}, TargetError),
        ({"layer": "nowhere"}, LayerError),
    ):
        with pytest.raises(error):
            explain_folder(model, folder, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_to_write_into(model, folder, tmp_path):
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(NotADirectoryError, match=r"is a file\. Give another name"):
        explain_folder(model, folder, tmp_path / "out")
