"""The room of the metrics: its table of contents is complete, and each keeps the room's rules."""

import importlib
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from helpers.docstrings import first_paragraph
from sightline import metrics
from sightline.evaluation.measure import WORDS
from sightline.evaluation.report.wording import heading
from sightline.metrics import GROUPS, METRICS, about
from sightline.protocol import Protocol
from sightline.supply import options, requests

SHARED = {"__init__", "areas", "contents", "correlation", "metric", "names", "win"}
"""Files in the room that are no metric of one method."""

FREE = {"roc_area": {"jumps"}}
"""Options that are no choice of the protocol: for one's own calls only."""

FIELDS = {field.name for field in fields(Protocol)}

TWINS = {
    "insertion": ("deletion", "deletion"),
    "coherency": ("adcc", "coherency"),
    "complexity": ("adcc", "complexity"),
    "road_morf_area": ("road", "road_morf_area"),
    "road_lerf_area": ("road", "road_lerf_area"),
    "occlusion_correlation": ("correlation", "spearman"),
    "class_sensitivity": ("correlation", "pearson"),
}
"""Slow twins that do not stand in a file of the metric's own name: file and function in
`tests/reference`.
"""

each = pytest.mark.parametrize("name", METRICS)


def test_every_file_is_listed_and_everything_listed_has_a_file():
    files = {path.stem for path in Path(metrics.__file__).parent.glob("*.py")}
    assert files >= SHARED
    assert files - SHARED == set(METRICS)


@each
def test_file_function_and_name_are_one(name):
    function = METRICS[name]
    assert function.__name__ == name
    assert function.__module__ == f"sightline.metrics.{name}"
    assert getattr(metrics, name) is function
    assert about(function).name == name
    assert about(function).function is function


@each
def test_it_asks_with_known_words_and_its_options_are_the_protocol_s(name):
    function = METRICS[name]
    assert requests(function)
    assert set(requests(function)) <= set(WORDS)
    assert set(options(function)) <= FIELDS | FREE.get(name, set())
    for parameter in inspect.signature(function).parameters.values():
        assert (parameter.kind is parameter.KEYWORD_ONLY) == (
            parameter.default is not parameter.empty
        )


def test_every_word_is_asked_for():
    assert {word for function in METRICS.values() for word in requests(function)} == set(WORDS)


@each
def test_a_docstring_has_a_summary_a_formula_and_an_example(name):
    summary = first_paragraph(METRICS[name])
    assert re.fullmatch(r"[A-Z1][^$]*[.?0]", summary), "the report prints it: it knows no formulas"
    text = inspect.getdoc(METRICS[name])
    assert text.count("$$") == 2 or "| class | rejected |" in text, (
        "a formula, or the table that stands for one"
    )
    assert ">>> " in text


@each
def test_what_is_said_of_it_makes_sense(name):
    said = about(METRICS[name])
    assert re.fullmatch(r"[A-Z][\w, /-]+", said.title)
    assert said.higher_is_better in (True, False)
    assert (said.unit, said.scale) in (("", 1), ("%", 100))
    assert said.axis is None or said.axis in FIELDS
    assert re.search(r"arXiv:\d{4}\.\d{5}", said.paper)
    assert len(said.figures) >= 1
    assert all(heading(said, figure) for figure in said.figures)


def test_titles_and_figures_are_told_apart():
    titles = [about(function).title for function in METRICS.values()]
    assert len(set(titles)) == len(titles)
    headings = [
        heading(about(one), figure) for one in METRICS.values() for figure in about(one).figures
    ]
    assert len(set(headings)) == len(headings)


@each
def test_a_figure_asks_for_what_there_is(name):
    for figure in about(METRICS[name]).figures.values():
        assert {"values"} <= set(requests(figure)) <= {"values", "classes", *FIELDS}
        assert options(figure) == []


@each
def test_it_is_in_all_and_in_one_other_group(name):
    assert GROUPS["all"].count(name) == 1
    assert sum(name in members for group, members in GROUPS.items() if group != "all") == 1


def test_groups_hold_metrics_in_the_order_of_the_contents():
    assert list(GROUPS)[-1] == "all"
    assert tuple(METRICS) == GROUPS["all"]
    assert [name for group, names in GROUPS.items() if group != "all" for name in names] == list(
        METRICS
    )
    assert not (set(GROUPS) - {"road", "adcc"}) & set(METRICS)


@each
def test_the_group_it_states_is_one_people_can_ask_for(name):
    said, own = (
        about(METRICS[name]).group,
        next(group for group, names in GROUPS.items() if name in names),
    )
    assert said in GROUPS
    assert said == ("faithfulness" if own in ("curves", "road", "adcc") else own)


@each
def test_it_has_a_slow_twin_and_a_test_that_compares_the_two(name):
    file, function = TWINS.get(name, (name, name))
    assert callable(getattr(importlib.import_module(f"reference.{file}"), function))
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert any(
        re.search(rf"reference(\.| import ){file}\b", text) and re.search(rf"\b{name}\b", text)
        for text in texts
    )


def test_twins_of_their_own_are_not_listed_as_shared():
    own = {path.stem for path in (Path(__file__).parents[1] / "reference").glob("*.py")}
    assert not set(TWINS) & own
    assert set(TWINS) <= set(METRICS)
