"""A preset or a file, and single fields beside it, become one protocol."""

import json

import click
import pytest
from click.testing import CliRunner

from sightline.apps.cli.protocol_options import protocol_options
from sightline.errors import ProtocolError
from sightline.protocol import Protocol, preset


def given(*words):
    seen = []

    @click.command()
    @protocol_options
    def command(protocol):
        seen.append(protocol)

    CliRunner().invoke(command, list(words), catch_exceptions=False)
    return seen[0]


def test_left_out_it_is_the_papers():
    assert given() == preset("paper") == Protocol()


def test_fields_are_changed_as_numbers_and_words():
    changed = given("--set", "fill=mean", "--set", "steps=7", "--explain", "given")
    assert changed == Protocol(fill="mean", steps=7, explained="given")


def test_a_file_is_read_and_changed(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"steps": 9}))
    assert given("--protocol", str(path), "--layer", "features") == Protocol(
        steps=9, layer="features"
    )


def test_a_field_without_a_value_is_an_error():
    with pytest.raises(ProtocolError, match="Expected --set FIELD=VALUE; got 'fill'"):
        given("--set", "fill")
