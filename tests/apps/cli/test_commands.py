"""The command line: one command, one function; clear lines and exit codes."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

from sightline.apps.cli import commands
from sightline.errors import SightlineError


def run(*words: str):
    return CliRunner().invoke(commands, list(words), catch_exceptions=True)


@pytest.fixture
def folder(tmp_path):
    """Two pictures of the same name in two places, and four files that are none."""
    pictures = tmp_path / "photos"
    (pictures / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for path, size in (
        (pictures / "cat.png", (90, 120)),
        (pictures / "more" / "cat.png", (200, 100)),
    ):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)
    (pictures / "empty.png").write_bytes(b"")
    (pictures / "text.jpg").write_text("no picture")
    whole = (pictures / "cat.png").read_bytes()
    (pictures / "truncated.png").write_bytes(whole[: len(whole) // 2])
    return pictures


def test_a_folder_with_broken_files_is_done_as_far_as_it_goes(folder, tmp_path):
    out = tmp_path / "out"
    result = run(
        "explain",
        str(folder),
        "-m",
        "grad_cam_pp",
        "-m",
        "Grad-CAM",
        "-t",
        "top2",
        "--out",
        str(out),
    )
    assert result.exit_code == 2, result.output
    assert "2 explained" in result.output
    for name, said in (
        ("empty.png", "0 bytes"),
        ("text.jpg", "none"),
        ("truncated.png", "truncated"),
    ):
        assert re.search(rf"not done: .*{name}.*{said}", result.output), name
    rows = [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 2 * 2  # pictures, methods, targets
    assert {row["method"] for row in rows} == {"grad_cam_pp", "grad_cam"}
    assert len({row["picture"] for row in rows}) == 8
    for row in rows:
        with Image.open(out / row["picture"]) as picture:
            assert picture.mode == "RGB"
        assert 0 <= row["probability"] <= 1
    assert sorted(path.name for path in (out / "maps").iterdir()) == [
        "cat-2.safetensors",
        "cat.safetensors",
    ]
    tensors = load_file(out / "maps" / "cat.safetensors")
    assert tensors["grad_cam_pp/maps"].shape == (2, 80, 80)
    assert tensors["grad_cam_pp/coarse"].shape == (2, 10, 10)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("cat.png") >= 2
    assert "truncated.png" in page


def test_one_file_one_class_by_name(folder, tmp_path):
    out = tmp_path / "out"
    result = run(
        "explain", str(folder / "cat.png"), "-t", "tabby", "--out", str(out), "--alpha", "authors"
    )
    assert result.exit_code == 0, result.output
    (row,) = [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]
    assert (row["name"], row["target"], row["layer"]) == ("tabby", 13, "features")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "resnet5"), "Near names: 'resnet50'"),
        (("-m", "gradcamm"), "Near names: 'grad_cam'"),
        (("-t", "tabbi"), "Near names: 'tabby'"),
        (("-t", "99"), "from 0 to 49"),
        (("--layer", "feature"), "Near names: 'features'"),
        (("--weights", "nowhere.pth"), "nowhere.pth"),
    ],
)
def test_what_would_strike_every_picture_is_one_error(folder, tmp_path, words, said):
    result = run("explain", str(folder / "cat.png"), "--out", str(tmp_path / "out"), *words)
    assert isinstance(result.exception, SightlineError)
    assert said in str(result.exception)


@pytest.mark.slow
def test_an_error_is_one_line_and_exit_code_1():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sightline.apps.cli import main; main()",
            "explain",
            "/nowhere/at.jpg",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sightline: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_layers_shows_the_choice_and_the_reason():
    result = run("layers", "--model", "resnet18", "--random")
    assert result.exit_code == 0, result.output
    (chosen,) = [line for line in result.output.splitlines() if "<- chosen" in line]
    assert chosen.split()[:3] == ["layer4", "ReLU", "512"]
    assert "layer4: the last feature map (512 channels, 7 x 7 places)." in result.output


def test_methods_lists_every_method_and_models_every_model():
    from sightline import METHODS, PIXELSPACE

    result = run("methods")
    assert all(name in result.output for name in [*METHODS, *PIXELSPACE])
    assert run("models", "resnet1?").output.split() == [
        name for name in run("models").output.split() if re.fullmatch(r"(.*/)?resnet1.", name)
    ]
    assert run("models", "nonsense").exit_code == 1
