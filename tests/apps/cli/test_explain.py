"""`sightline explain`: a folder of pictures in, a page of explanations out."""

import json
import os

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from sightline import explain
from sightline.apps.cli import commands
from sightline.models import load, lookout

GOOD, BROKEN = ["a.png", "z.jpg"], ["b_empty.jpg", "c_text.png", "d_cut.png", "e_junk.jpg"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in zip(GOOD, ((90, 70), (60, 100)), strict=True):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    (folder / "b_empty.jpg").touch()
    (folder / "c_text.png").write_text("hello, this is no picture")
    (folder / "d_cut.png").write_bytes((folder / "a.png").read_bytes()[:2000])
    (folder / "e_junk.jpg").write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(64))
    (folder / "notes.txt").write_text("not looked at")
    return folder


def run(*arguments):
    return CliRunner().invoke(commands, ["explain", *map(str, arguments)])


def lines_of(out):
    return [
        json.loads(line)
        for line in (out / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_broken_files_are_reported_the_good_ones_done_and_the_exit_code_tells(photos, tmp_path):
    out = tmp_path / "out"
    result = run(
        photos, "--out", out, "--method", "grad_cam_pp", "--method", "Grad-CAM", "--target", "top3"
    )
    assert result.exit_code == 2, result.output
    assert f"2 explained; open {out / 'index.html'}" in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("not done: ")]
    assert len(told) == 4
    for line, name in zip(told, BROKEN, strict=True):
        assert line.count(str(photos / name)) == 1
    lines = lines_of(out)
    assert {line["file"] for line in lines} == {str(photos / name) for name in GOOD}
    assert [line["method"] for line in lines].count("grad_cam") == len(lines) / 2 == 6
    assert {line["layer"] for line in lines} == {lines[0]["layer"]}
    for line in lines:
        with Image.open(out / line["picture"]) as picture:
            assert picture.mode == "RGB"
    html = (out / "index.html").read_text(encoding="utf-8")
    assert all(name in html for name in GOOD + BROKEN)
    assert "notes.txt" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html


def test_all_good_is_exit_code_0_and_the_default_is_grad_cam_pp_of_the_predicted_class(
    photos, tmp_path
):
    out = tmp_path / "out"
    result = run(photos / "a.png", photos / "z.jpg", "-o", out)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = lines_of(out)
    assert [(line["method"], line["status"]) for line in lines] == [("grad_cam_pp", "ok")] * 2
    for name, line in zip(GOOD, lines, strict=True):
        tensors = load_file(out / "maps" / f"{name[0]}.safetensors")
        assert float(tensors["grad_cam_pp/maps"].max()) == 1
        assert float(tensors["grad_cam_pp/scores"]) == pytest.approx(line["score"])


@pytest.mark.slow
def test_every_option_reaches_the_library(photos, tmp_path):
    out = tmp_path / "out"
    model, _ = load("lookout")
    e = explain(
        model,
        photos / "a.png",
        [3, None],
        layer="features.6",
        score="log_softmax",
        alpha="authors",
        counterfactual=True,
    )
    result = run(
        photos / "a.png",
        "-o",
        out,
        "-m",
        "grad_cam_pp",
        "-t",
        "3",
        "-t",
        "predicted",
        "--layer",
        "features.6",
        "--score",
        "log_softmax",
        "--alpha",
        "authors",
        "--counterfactual",
        "--device",
        "cpu",
        "--batch",
        "1",
    )
    assert result.exit_code == 0, result.output
    lines = lines_of(out)
    assert [(line["method"], line["layer"]) for line in lines] == [
        ("grad_cam_pp_log_softmax", "features.6")
    ] * 2
    assert [line["target"] for line in lines] == [target.index for target in e.targets[0]]
    tensors = load_file(out / "maps" / "a.safetensors")
    torch.testing.assert_close(tensors["grad_cam_pp_log_softmax/coarse"], e.coarse[0])


@pytest.mark.slow
def test_options_of_methods_by_name(photos, tmp_path):
    arguments = [
        "explain",
        str(photos / "a.png"),
        "--out",
        str(tmp_path / "out"),
        "-m",
        "rise",
        "-m",
        "ss_cam",
    ]
    asked = [
        "-O",
        "masks=8",
        "-O",
        "fill=blur",
        "-O",
        "centred=false",
        "-O",
        "samples=1",
        "-O",
        "std=0.5",
        "-O",
        "top=2",
    ]
    result = CliRunner().invoke(commands, [*arguments, *asked])
    assert result.exit_code == 0, result.output
    model, _ = load("lookout")
    found = explain(
        model,
        photos / "a.png",
        method=["rise", "ss_cam"],
        masks=8,
        fill="blur",
        centred=False,
        samples=1,
        std=0.5,
        top=2,
    )
    written = load_file(tmp_path / "out" / "maps" / "a.safetensors")
    for name, e in found.items():
        assert torch.allclose(written[f"{name}/coarse"], e.coarse[0], rtol=1e-4, atol=1e-5)
    result = CliRunner().invoke(commands, [*arguments, "-O", "masks"])
    assert (result.exit_code, "as NAME=VALUE; got 'masks'" in result.output) == (2, True)
    result = CliRunner().invoke(commands, [*arguments, "-O", "maskss=3"])
    assert (result.exit_code, "has an option 'maskss'" in str(result.exception)) == (1, True)


def test_a_folder_shows_a_bar(photos, tmp_path):
    result = run(photos, "-o", tmp_path / "out")
    assert "Explaining" in result.stdout


@pytest.mark.slow
def test_a_second_run_does_not_explain_the_pictures_of_the_first(photos):
    for _ in range(2):
        run(photos, "-o", photos / "out")
    assert {line["file"] for line in lines_of(photos / "out")} == {
        str(photos / name) for name in GOOD
    }


@pytest.mark.slow
def test_local_weights_are_used(photos, tmp_path):
    """Other weights, another score."""
    state = lookout(pretrained=False).state_dict()
    torch.manual_seed(3)
    changed = {
        key: value + 0.01 * torch.randn_like(value) if value.is_floating_point() else value
        for key, value in state.items()
    }
    save_file(
        {key: value.contiguous() for key, value in changed.items()}, tmp_path / "mine.safetensors"
    )
    scores = []
    for out, more in (
        ("one", []),
        ("two", ["--weights", tmp_path / "mine.safetensors"]),
        ("three", ["--random"]),
    ):
        assert run(photos / "a.png", "-t", "0", "-o", tmp_path / out, *more).exit_code == 0
        scores.append(lines_of(tmp_path / out)[0]["score"])
    assert len(set(scores)) == 3


def test_another_model_by_name(photos, tmp_path):
    result = run(
        photos / "a.png",
        "--model",
        "torchvision/squeezenet1_1",
        "--random",
        "-o",
        tmp_path / "out",
        "-t",
        "tabby",
    )
    assert result.exit_code == 0, result.output
    (line,) = lines_of(tmp_path / "out")
    assert (line["target"], line["name"]) == (281, "tabby")
    assert line["layer"].startswith("features")


def test_help_names_the_options():
    result = run("--help")
    assert result.exit_code == 0
    for option in (
        "--model",
        "--weights",
        "--method",
        "--target",
        "--layer",
        "--out",
        "--score",
        "--alpha",
        "--device",
    ):
        assert option in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["x.png", "--weights", "w.pth", "--random"],
            "one source of weights; got --weights and --random",
        ),
        ([], "Missing argument 'PICTURES...'"),
        (["a.png", "--batch", "0"], "Invalid value for '--batch'"),
        (["a.png", "--score", "sofmax"], "'sofmax' is not one of"),
        (["a.png", "--alhpa", "paper"], "No such option"),
    ],
)
def test_a_wrong_use_is_told_by_click(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
