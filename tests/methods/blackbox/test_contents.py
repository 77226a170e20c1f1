"""The table of contents is complete, and finds what people mean."""

import inspect
import re
from pathlib import Path

import pytest

from helpers.docstrings import first_paragraph
from sightline.errors import MethodError
from sightline.methods import blackbox
from sightline.methods.blackbox import BLACKBOX, about, find
from sightline.supply import options, requests

SHARED = {"__init__", "contents", "names", "query", "segments"}
"""Files in the room that are no method."""

WORDS = {"shown", "scores", "size", "pictures"}
EVERYWHERE = {"fill", "probability", "at_once"}


def test_every_file_is_listed_and_everything_listed_has_a_file():
    files = {path.stem for path in Path(blackbox.__file__).parent.glob("*.py")} - SHARED
    assert files == set(BLACKBOX)


@pytest.mark.parametrize("name", BLACKBOX)
def test_file_function_and_name_are_one(name):
    function = BLACKBOX[name]
    assert function.__name__ == name
    assert function.__module__ == f"sightline.methods.blackbox.{name}"
    assert set(requests(function)) <= WORDS
    assert set(options(function)) >= EVERYWHERE


@pytest.mark.parametrize("name", BLACKBOX)
def test_about_says_title_paper_and_summary_and_the_docstring_has_a_formula_and_an_example(name):
    said, text = about(name), inspect.getdoc(BLACKBOX[name])
    assert said.name == name
    assert said.summary == first_paragraph(BLACKBOX[name])
    assert said.summary.endswith(".")
    assert re.search(r"arXiv:\d{4}\.\d{4,5}", said.paper)
    assert find(said.title)[0] == name
    assert text.count("$$") == 2
    assert ">>> " in text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("RISE", "rise"),
        ("Occlusion sensitivity", "occlusion"),
        ("LIME", "lime"),
        ("lime-style", "lime"),
    ],
)
def test_names_that_people_use(written, meant):
    assert find(written) == (meant, BLACKBOX[meant])


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(MethodError, match=r"came 'occluson'. Near names: 'occlusion'"):
        find("occluson")
    with pytest.raises(MethodError, match="On offer: 'occlusion', 'rise', 'lime'"):
        find("shap")
