"""`sightline layers`, `methods`, `models`: what there is to choose from."""

import pytest
import torch
from click.testing import CliRunner

from sightline import BLACKBOX, METHODS, METRICS, PIXELSPACE, explain
from sightline.apps.cli import commands
from sightline.errors import ModelError
from sightline.models import known, load


def run(*arguments):
    return CliRunner().invoke(commands, arguments)


def rows_of(text):
    """The table's lines, by the first column."""
    lines = text.split("\n\n")[0].splitlines()
    assert lines[0].split()[:3] == ["layer", "made", "by"]
    return {line.split()[0]: line for line in lines[1:]}


@pytest.mark.slow
def test_the_layers_of_a_model_with_the_choice_that_explain_makes():
    result = run("layers", "--model", "torchvision/squeezenet1_1")
    assert result.exit_code == 0, result.output
    rows = rows_of(result.stdout)
    model, card = load("torchvision/squeezenet1_1", pretrained=False)
    e = explain(model, torch.randn(1, 3, *card.preprocess.crop), 0)
    assert [name for name, line in rows.items() if line.endswith("<- chosen")] == [e.layer]
    assert rows[e.layer].split()[:5] == [e.layer, "Fire", "512", "13", "x"]
    assert result.stdout.strip().endswith(f"{e.layer}: {e.layer_reason}.")
    assert "features.0" in rows
    assert "features.2" not in rows  # a pool


def test_all_layers_and_another_size():
    result = run("layers", "--model", "torchvision/squeezenet1_1", "--all", "--size", "96")
    rows = rows_of(result.stdout)
    assert rows["features.2"].split()[1:6] == ["MaxPool2d", "64", "23", "x", "23"]


def test_the_bundled_model_is_the_default():
    result = run("layers")
    model, _ = load("lookout")
    chosen = [name for name, line in rows_of(result.stdout).items() if line.endswith("<- chosen")]
    assert len(chosen) == 1
    assert chosen[0] in dict(model.named_modules())


@pytest.mark.slow
def test_a_model_may_be_named_as_everywhere_else():
    by_option = CliRunner().invoke(commands, ["layers", "--model", "resnet18", "--size", "64"])
    assert (
        by_option.output
        == CliRunner().invoke(commands, ["layers", "resnet18", "--size", "64"]).output
    )
    assert "<- chosen" in by_option.output


def test_a_model_nobody_knows_is_an_error():
    result = run("layers", "--model", "resnet5")
    assert isinstance(result.exception, ModelError)
    assert "Near names: 'resnet50'" in str(result.exception)


def test_every_method_is_listed_with_what_it_does():
    result = run("methods")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in [*METHODS, *PIXELSPACE, *BLACKBOX]:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.split(": ", 1)[1]) > 20
    assert "arXiv:1710.11063" in result.stdout


def test_every_metric_is_listed_in_its_group_with_its_direction():
    result = run("metrics")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for name in METRICS:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert ("(higher is better" in line) != ("(lower is better" in line)
    assert lines[0] == "faithfulness"
    assert lines[1].startswith(
        "  average_drop             Average Drop (lower is better, %): Share of the confidence lost"
    )
    assert lines.index("road") < lines.index("adcc") < lines.index("localisation")
    assert "arXiv:1806.07421" in result.stdout


def test_models_are_listed_and_found():
    every = run("models").stdout.split()
    assert every == known()
    assert every[0] == "lookout"
    found = run("models", "squeeze*").stdout.split()
    assert "torchvision/squeezenet1_1" in found
    assert all("squeeze" in name for name in found)
    assert run("models", "densenet121").stdout.split()[0] == "torchvision/densenet121"


@pytest.mark.parametrize("pattern", ["nosuchmodel", "nosuch*"])
def test_no_model_is_said_with_exit_code_1(pattern):
    result = run("models", pattern)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"No model matches '{pattern}'" in result.stderr
