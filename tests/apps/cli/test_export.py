"""`sightline export`: what its options mean; the file itself: `explanation/export/test_onnx.py`."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sightline.apps.cli import commands
from sightline.errors import SightlineError


def run(*words: str):
    return CliRunner().invoke(commands, list(words))


@pytest.fixture
def written(monkeypatch):
    """What would be written, and where."""
    found = []

    def to_onnx(explainer, path):
        found.append((explainer, path))
        return path

    monkeypatch.setattr("sightline.explanation.export.onnx.to_onnx", to_onnx)
    return found


def test_by_itself_it_is_grad_cam_pp_of_the_predicted_class_at_the_card_s_size(written):
    result = run("export", "lookout")
    assert result.exit_code == 0, result.output
    ((explainer, path),) = written
    assert (path, explainer.method) == (Path("explainer.onnx"), "grad_cam_pp")
    assert (explainer.target, explainer.coarse, explainer.any_size) == (None, False, False)
    assert explainer.shape == (3, 80, 80)
    assert result.output == (
        "explainer.onnx: grad_cam_pp at 'features', the last feature map (160 channels, 10 x 10"
        " places)\n"
    )


@pytest.mark.parametrize(
    ("target", "meant"),
    [("given", "given"), ("7", 7), ("tabby", 13)],
    ids=["given", "number", "name"],
)
def test_a_class_may_be_a_number_a_name_or_an_input(written, target, meant):
    assert run("export", "lookout", "-t", target).exit_code == 0
    assert written[0][0].target == meant


def test_layer_size_and_the_coarse_map(written):
    result = run(
        "export", "lookout", "--layer", "features", "--size", "64", "--coarse", "--any-size",
        "-m", "Grad-CAM", "--out", "a.onnx",
    )  # fmt: skip
    assert result.output == "a.onnx: grad_cam at 'features', named by the caller\n"
    ((explainer, _),) = written
    assert (explainer.shape, explainer.coarse, explainer.any_size) == ((3, 64, 64), True, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--layer", "feature"), "Near names: 'features'"),
        (("-t", "tabbi"), "Near names: 'tabby'"),
        (("-m", "gradcamm"), "Near names: 'grad_cam'"),
    ],
)
def test_what_does_not_exist_is_told_and_nothing_is_written(written, words, said):
    result = run("export", "lookout", *words)
    assert isinstance(result.exception, SightlineError)
    assert said in str(result.exception)
    assert written == []


def test_a_size_below_eight_is_an_error_of_use(written):
    result = run("export", "lookout", "--size", "7")
    assert result.exit_code == 2
    assert "7 is not in the range x>=8" in result.output
    assert written == []
