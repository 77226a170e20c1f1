"""What is typed wrong ends in one clear line and exit code 1, never in a traceback."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import sightline
from sightline.apps.cli import commands, main


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 80, 3), dtype=np.uint8)).save(
        path
    )
    return str(path)


def typed(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of `sightline ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["sightline", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    out, err = capsys.readouterr()
    return exit.value.code or 0, out, err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "resnet5"], "no model 'resnet5'. Near names: 'resnet50'"),
        (["--method", "grad_cam3"], "no method 'grad_cam3'. Near names: 'grad_cam'"),
        (["--method", "grad_cam", "--score", "softmax"], "Only grad_cam_pp has forms of the score"),
        (["--layer", "nowhere"], "has no layer 'nowhere'"),
        (["--target", "9999"], "from 0 to 49"),
        (["--target", "no such thing"], "has no class 'no such thing'"),
        (["--target", "top0"], "top1 to top50"),
        (["--weights", "nowhere.pth"], "'nowhere.pth' cannot be opened"),
        (["--device", "nothing"], "a device of this machine; 'nothing' is none"),
        (["--device", "cuda:93"], "a device of this machine; 'cuda:93' is none"),
    ],
    ids=" ".join,
)
def test_an_unknown_name_is_one_line_and_exit_code_1(
    options, message, picture, tmp_path, monkeypatch, capsys
):
    code, out, err = typed(
        monkeypatch, capsys, "explain", picture, "--out", str(tmp_path / "out"), *options
    )
    assert code == 1
    assert message in err
    assert err.startswith("sightline: ")
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize("pictures", ["nowhere", "nowhere/*.jpg", "."])
def test_nothing_to_explain_is_one_line(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = typed(monkeypatch, capsys, "explain", pictures)
    assert code == 1
    assert err.startswith("sightline: ")
    assert len(err.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_one_line(picture, monkeypatch, capsys):
    code, _, err = typed(monkeypatch, capsys, "explain", picture, "--out", picture)
    assert code == 1
    assert picture in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["layers", "explain"])
def test_an_unknown_model_is_one_line_for_every_command(command, picture, monkeypatch, capsys):
    more = [picture] if command == "explain" else []
    code, _, err = typed(monkeypatch, capsys, command, *more, "--model", "resnet5")
    assert (code, err.count("\n")) == (1, 1)


def test_the_version_and_the_commands():
    result = CliRunner().invoke(commands, ["--version"])
    assert sightline.__version__ in result.stdout
    result = CliRunner().invoke(commands, ["-h"])
    assert result.exit_code == 0
    for command in ("explain", "layers", "methods", "models", "demo"):
        assert f"\n  {command} " in result.stdout
