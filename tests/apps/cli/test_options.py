"""What a TAB offers, and the options that several commands share."""

from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from sightline.apps.cli import commands
from sightline.apps.cli.options import CONTROLS, method_option, named_values, on, out_option
from sightline.errors import ModelError
from sightline.evaluation import controls
from sightline.methods import METHODS
from sightline.methods.blackbox import BLACKBOX
from sightline.methods.pixel import PIXELSPACE
from sightline.metrics import GROUPS, METRICS
from sightline.models import load
from sightline.protocol import PRESETS


def offered(*words: str) -> list[str]:
    """What a TAB behind these words offers; the last is the one begun."""
    shell = ShellComplete(commands, {}, "sightline", "_SIGHTLINE_COMPLETE")
    return [one.value for one in shell.get_completions(list(words[:-1]), words[-1])]


def test_commands_and_options():
    assert offered("me") == ["methods", "metrics"]
    assert set(offered("explain", "--")) >= {"--model", "--method", "--target", "--out", "--help"}
    assert offered("explain", "--alpha", "e") == ["exact"]


@pytest.mark.parametrize("command", ["explain", "export", "layers", "seeds"])
def test_methods_of_every_kind(command):
    assert offered(command, "--method", "") == [*METHODS, *PIXELSPACE, *BLACKBOX]
    assert offered(command, "-m", "ri") == ["rise"]


def test_guided_products_once_guided_is_there():
    assert "guided_grad_cam_pp" in offered("explain", "-m", "guided_g")
    assert offered("explain", "-m", "guided_h") == ["guided_hires_cam"]


def test_evaluate_has_the_controls_too():
    assert set(CONTROLS) == set(controls.CONTROLS)
    assert offered("evaluate", "-m", "fake") == ["fake_cam"]
    assert offered("evaluate", "-m", "grad_cam_p") == [n for n in METHODS if "grad_cam_p" in n[:10]]


def test_metrics_and_groups_behind_every_comma():
    assert set(offered("evaluate", "--metrics", "")) == {*METRICS, *GROUPS}
    assert offered("evaluate", "--metrics", "loc,cov") == ["loc,coverage"]
    assert set(offered("evaluate", "--metrics", "loc")) == {
        "loc",
        "localisation",
        "localisation_error",
    }


def test_protocols_or_else_a_file():
    assert offered("evaluate", "--protocol", "") == list(PRESETS)
    assert offered("evaluate", "--protocol", "pa") == ["paper"]
    shell = ShellComplete(commands, {}, "sightline", "_SIGHTLINE_COMPLETE")
    (one,) = shell.get_completions(["evaluate", "--protocol"], "mine.js")
    assert one.type == "file"


def test_a_command_is_given_methods_and_a_place():
    @click.command()
    @method_option(("a", "b"), "Several.")
    @out_option("there", "A place.")
    def command(methods, out):
        click.echo(repr((methods, out)))

    assert CliRunner().invoke(command, []).output.strip() == repr((("a", "b"), Path("there")))
    assert "[default: a, b]" in CliRunner().invoke(command, ["--help"]).output


def test_values_are_read_as_python_s_or_else_they_are_words():
    found = named_values(["n=3", "x=0.5", "s=(1, 2)", "t=TRUE", "none=None", "w=a=b", "e="], "")
    assert found == {
        "n": 3, "x": 0.5, "s": (1, 2), "t": True, "none": None, "w": "a=b", "e": ""
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["n"], "got 'n'. For instance: -O n=3"),
        (["a b=3"], "got 'a b=3'"),
        (["n=3", "n=4"], "Expected 'n' once; got it twice"),
    ],
)
def test_what_is_no_value_of_a_name_is_an_error_of_use(given, said):
    with pytest.raises(click.UsageError, match=said):
        named_values(given, "-O n=3")


def test_a_device_that_is_not_there():
    with pytest.raises(ModelError, match="'cuda:93' is none"):
        on(load("lookout").model, "cuda:93")
