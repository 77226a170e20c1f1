"""docs/metrics.md says of every metric, protocol field, preset, control and kind of data what there
is to say.
"""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sightline.apps.cli.evaluate import evaluate as command
from sightline.datasets import KINDS
from sightline.evaluation.arrow import ROWS
from sightline.evaluation.controls import CONTROLS
from sightline.evaluation.measure import RECORDED
from sightline.maps import patches
from sightline.metrics import GROUPS, METRICS, about
from sightline.protocol import _CHOICES, PRESETS, Protocol
from sightline.supply import requests

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
SECTION = re.compile(
    r"^#{3,4} (?P<title>[^\n]+) · `(?P<name>\w+)`\n(?P<body>.*?)(?=^#|\Z)", re.M | re.S
)
PARTS = ("**Paper:**", "**Needs:**", "**Says**", "**It is fooled by**")


def text():
    return PAGE.read_text(encoding="utf-8")


def sections():
    return {found["name"]: found for found in SECTION.finditer(text())}


def chapter(head):
    """What stands under a heading of the second rank, up to the next one."""
    _, found, rest = text().partition(f"\n## {head}\n")
    assert found, f"no chapter '{head}'"
    return rest.partition("\n## ")[0]


def rows(words):
    """The cells of a table's rows that begin with a name in backticks, by that name."""
    lines = re.findall(r"^\| `(\w+)` \| (.+) \|$", words, re.M)
    return {name: [cell.strip() for cell in cells.split(" | ")] for name, cells in lines}


def test_every_metric_has_a_section_and_every_section_a_metric():
    assert list(sections()) == list(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_s_section_says_all_there_is_to_say(name):
    found = sections()[name]
    assert found["title"] == about(METRICS[name]).title
    assert found["body"].count("$$") == 2
    for part in PARTS:
        assert found["body"].count(f"- {part}") == 1, part
    assert [found["body"].index(part) for part in PARTS] == sorted(
        found["body"].index(part) for part in PARTS
    )


@pytest.mark.parametrize("name", METRICS)
def test_a_section_names_the_measurements_the_paper_and_the_direction(name):
    body, said = sections()[name]["body"], about(METRICS[name])
    needs = body.partition("**Needs:**")[2].partition("\n- **")[0]
    assert set(re.findall(r"`(\w+)`", needs.partition(":")[0])) >= set(requests(METRICS[name]))
    for number in re.findall(r"\d{4}\.\d{5}", said.paper):
        assert number in body.partition("- **Needs:**")[0]
    says = " ".join(body.partition("**Says**")[2].partition("\n- **")[0].split()).lower()
    assert ("higher is better" if said.higher_is_better else "lower is better") in says
    assert ("in %" in says) == (said.unit == "%")


def test_win_has_a_section_of_its_own():
    words = chapter("Win %")
    assert words.count("$$") == 2
    for part in PARTS:
        assert words.count(f"- {part}") == 1, part
    assert "ties" in words


def test_the_first_table_leads_to_every_metric():
    words = chapter("Which one?")
    grouped = {
        "average_gain",
        "road_morf_area",
        "road_lerf_area",
        "coherency",
        "inside_outside_ratio",
    }
    assert set(METRICS) - set(re.findall(r"`(\w+)`", words)) == grouped | {"pointing_game_top5"}
    assert set(re.findall(r"`(\w+)`", words)) >= set(GROUPS)


@pytest.mark.parametrize("field", fields(Protocol), ids=lambda field: field.name)
def test_every_field_of_the_protocol_is_explained_with_its_default(field):
    default, meaning, _ = rows(chapter("The protocol"))[field.name]
    if field.name == "deltas":
        assert default == "0, 0.05, … 0.95"
        assert (field.default[0], field.default[1], field.default[-1], len(field.default)) == (
            0,
            0.05,
            0.95,
            20,
        )
    else:
        assert ast.literal_eval(default.strip("`")) == field.default
    for choice in _CHOICES.get(field.name, ()):
        if field.name != "insertion_fill":  # as for deletion
            assert f"`{choice}`" in meaning, choice


def test_the_table_of_fields_has_no_others():
    known = {field.name for field in fields(Protocol)} | set(PRESETS)
    assert set(rows(chapter("The protocol"))) == known


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_differs_from_the_paper_s_in_what_the_page_says(name):
    words = chapter("The protocol")
    (said,) = rows(words)[name]
    told = {word: ast.literal_eval(value) for word, value in re.findall(r"`(\w+)=([^`]+)`", said)}
    own, paper = vars(PRESETS[name]), vars(Protocol())
    assert told == {word: value for word, value in own.items() if value != paper[word]}
    assert words.count(f"- **`{name}`**: ") == 1


@pytest.mark.parametrize("name", CONTROLS)
def test_every_control_is_explained(name):
    assert name in rows(chapter("Controls"))


def test_every_kind_of_data_is_named():
    assert set(rows(chapter("Data sets"))) == set(KINDS)


def test_every_column_of_a_row_is_named():
    named = set(re.findall(r"`(\w+)`", chapter("Rows are the truth")))
    assert set(ROWS) <= named
    assert set(RECORDED) & named


def test_options_on_the_command_line_exist():
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]*", text())) <= known


def test_the_numbers_of_steps_are_those_of_the_protocol():
    """What the sections say of forward passes, counted from the default protocol."""
    one, body = (
        Protocol(),
        {name: " ".join(found["body"].split()) for name, found in sections().items()},
    )
    assert f"for each method ({one.steps - 1}), and one for all" in body["deletion"]
    assert f"for each method ({one.steps - 1}), and one for all" in body["insertion"]
    assert f"for each method ({one.thetas - 1}), and one for all" in body["roc_area"]
    assert f"percentage and method ({2 * len(one.road_percentages)})" in body["road"]
    assert f"percentage and method ({len(one.road_percentages)})" in body["road_morf_area"]
    assert f"look back ({one.samples})" in body["sensitivity"]
    assert (
        f"{len(patches((224, 224), one.patch, one.stride))} at 224 × 224"
        in body["occlusion_correlation"]
    )
