"""Which model, and what is said of it: the same options for every command."""

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sightline.apps.cli import commands
from sightline.apps.cli.model_options import ModelChoice, model_argument, model_options
from sightline.errors import ModelError, SightlineError
from sightline.models import card_of, load
from sightline.types import Preprocess

NETS = """
import torch
from torch import nn

def build(classes=2, width=4):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, classes),
    )
"""


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a network of one's own, its names, and two pictures in folders of classes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_nets.py").write_text(NETS)
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{name}.png")
    return tmp_path


def test_one_source_of_weights():
    with pytest.raises(click.UsageError, match="got --weights and --random"):
        ModelChoice("lookout", Path("a.pth"), random=True)


def test_a_choice_loads_the_model_it_names(capsys):
    trained, own = ModelChoice("lookout").load().model, load("lookout").model
    assert all(
        (one == other).all()
        for one, other in zip(trained.parameters(), own.parameters(), strict=True)
    )
    random = ModelChoice("lookout", random=True).load().model
    assert any(
        (one != other).any()
        for one, other in zip(random.parameters(), own.parameters(), strict=True)
    )
    assert capsys.readouterr() == ("", "")  # all is known of it


def test_for_shapes_nothing_is_downloaded_and_one_s_own_is_what_it_is():
    assert ModelChoice("resnet50").for_shapes().random
    assert ModelChoice("hf-hub:a/b").for_shapes().random
    assert not ModelChoice("lookout").for_shapes().random
    assert not ModelChoice("resnet50", Path("a.pth")).for_shapes().random
    assert not ModelChoice("nets.py:build").for_shapes().random


@pytest.mark.parametrize("by_word", [False, True])
def test_a_command_is_given_one_choice(by_word):
    @click.command()
    @(model_argument() if by_word else model_options)
    def command(model):
        click.echo(repr(model))

    words = ["vgg11"] if by_word else ["--model", "vgg11"]
    words += ["--random", "--classes", "c.txt", "--mean", "0.5", "--std", "0.1,0.2,0.3"]
    words += ["--size", "32x48", "--model-option", "n=3"]
    want = ModelChoice(
        "vgg11", None, True, {"n": 3}, Path("c.txt"), (0.5,), (0.1, 0.2, 0.3), (32, 48)
    )
    assert CliRunner().invoke(command, words).output.strip() == repr(want)


def test_the_first_word_or_the_option_but_not_both():
    assert "Expected one model; got 'a' and --model b" in run("layers", "a", "--model", "b").output
    assert "Missing the model: name it first" in run("export").output


def test_what_is_assumed_is_told_once_and_no_more_than_that(place, capsys):
    model, card = ModelChoice("own_nets.py:build").load()
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "own_nets.py:build: no --weights given; it has those it is made with.",
        "own_nets.py:build: how the model's pictures are prepared is not known; assumed: short side"
        " to 256 pixels, the centre 224 x 224, mean 0.485 0.456 0.406, std 0.229 0.224 0.225. Say"
        " it with preprocess= (--size, --mean, --std).",
    ]
    assert card == card_of(model)
    ModelChoice("own_nets.py:build", size=32, mean=(0.5,)).for_shapes().load()
    assert capsys.readouterr().err.splitlines() == [
        "own_nets.py:build: how the model's pictures are prepared is not known; assumed: std 0.229"
        " 0.224 0.225. Say it with preprocess= (--size, --mean, --std)."
    ]


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({"size": 32}, Preprocess(32, (32, 32))),
        ({"size": (32, 48)}, Preprocess((32, 48), None)),
        ({"mean": (0.5,), "std": (0.25,)}, Preprocess(mean=(0.5,), std=(0.25,))),
    ],
)
def test_what_is_said_is_done_and_no_guess(said, want, place):
    card = ModelChoice("own_nets.py:build", **said).load().card
    assert card.preprocess == want
    assert not set(card.preprocess.assumed) & {
        "size": {"resize", "crop"}, "mean": {"mean", "std"}
    }[next(iter(said))]  # fmt: skip
    assert "as said by --" in card.source


def test_what_is_said_of_a_known_model_replaces_only_that():
    card = ModelChoice("lookout", mean=(0.5,)).load().card
    assert card.preprocess.mean == (0.5,)
    assert card.preprocess.crop == load("lookout").card.preprocess.crop


def test_names_of_the_outputs_are_as_many_as_the_outputs(place):
    choice = ModelChoice("own_nets.py:build", classes=Path("names.txt"))
    assert choice.load().card.classes == ("cat", "dog")
    three = ModelChoice("own_nets.py:build", options={"classes": 3}, classes=Path("names.txt"))
    with pytest.raises(ModelError, match=r"'names.txt': Expected 3 class names, .*; got 2"):
        three.load()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "7"), "7 is not in the range x>=8"),
        (("--size", "32x7"), "7 is not in the range x>=8"),
        (("--size", "big"), "expected 224 or 224x320"),
        (("--mean", "123.7,116.3,103.5"), "expected numbers from 0 to 1"),
        (("--mean", "a"), "expected numbers from 0 to 1"),
        (("--mean", "0.1,0.2"), "one or one for each channel"),
        (("--std", "0"), "expected numbers above 0"),
        (("--model-option", "n"), "Expected an option as NAME=VALUE"),
    ],
)
def test_a_value_that_makes_no_sense_is_an_error_of_use(words, said):
    result = run("explain", "photos", *words)
    assert result.exit_code == 2
    assert said in result.output


def test_every_command_takes_them(place):
    own = ("--model", "own_nets:build", "--classes", "names.txt", "--size", "32")
    explained = run("explain", "photos", *own, "-t", "dog", "--out", "out")
    assert explained.exit_code == 0, explained.output
    rows = [json.loads(line) for line in Path("out/explanations.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == ["dog", "dog"]
    page = Path("out/index.html").read_text()
    assert "pictures are prepared is not known; assumed: mean 0.485" in page

    layers = run("layers", *own)
    assert layers.exit_code == 0, layers.output
    assert "1: the last feature map (4 channels, 32 x 32 places)." in layers.stdout
    assert "no --weights" not in layers.stderr  # its shapes are asked for


def test_evaluate_takes_them_and_a_map_from_the_data_s_classes(place):
    Path("map.json").write_text(json.dumps({"cat": "dog", "dog": 0}))
    own = ("--model", "own_nets:build", "--classes", "names.txt", "--size", "32")
    result = run(
        "evaluate", "photos", *own, "--class-map", "map.json", "-m", "grad_cam", "--metrics",
        "average_drop", "--explain", "given", "--out", "results", "--workers", "0",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    from sightline.evaluation import store

    found = store.read(Path("results"))
    assert found.column("target_name") == ["dog", "cat"]
    assert found.run["data"]["preprocess"]["crop"] == [32, 32]
    (note,) = found.run["notes"]
    assert "assumed: mean 0.485 0.456 0.406, std" in note
    assert f"caution: How{note[3:]}." in result.stdout


def test_export_takes_them(place, monkeypatch):
    found = []
    monkeypatch.setattr(
        "sightline.explanation.export.onnx.to_onnx",
        lambda explainer, path: found.append(explainer) or path,
    )
    own = ("--model", "own_nets:build", "--classes", "names.txt", "--size", "32x48")
    result = run("export", *own, "-t", "dog")
    assert result.exit_code == 0, result.output
    assert (found[0].shape, found[0].target, found[0].card.classes) == (
        (3, 32, 48), 1, ("cat", "dog")
    )  # fmt: skip


@pytest.mark.parametrize("command", ["explain", "evaluate", "layers", "export"])
def test_what_goes_wrong_is_a_sightline_error_in_every_command(command, place):
    words = ("photos",) if command in ("explain", "evaluate") else ()
    result = run(command, *words, "--model", "own_nets:biuld")
    assert isinstance(result.exception, SightlineError)
    assert "'own_nets' has no 'biuld'. Near names: 'build'." in str(result.exception)


@pytest.mark.parametrize("command", ["explain", "evaluate", "layers", "export"])
def test_the_help_says_that_code_is_run(command):
    told = " ".join(run(command, "--help").output.split())
    assert "FILE.py:NAME, a function, class or module (its code is run)." in told
