"""`sightline demo`: a page that loads nothing, and where it is written."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sightline.apps.cli import commands


def run(*words: str):
    return CliRunner().invoke(commands, list(words))


@pytest.mark.parametrize(("words", "folder"), [((), "out"), (("-o", "a/b"), "a/b")])
def test_the_page_is_named_where_it_was_written(monkeypatch, words, folder):
    def instead(out, progress):
        progress(1)
        return out / "index.html"

    monkeypatch.setattr("sightline.apps.demo.run", instead)
    result = run("demo", *words)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"Open {Path(folder, 'index.html')}"


def test_a_word_too_many_is_an_error_of_use():
    result = run("demo", "cat.jpg")
    assert result.exit_code == 2
    assert "unexpected extra argument (cat.jpg)" in result.output


@pytest.mark.slow
def test_the_demo_writes_a_page_that_loads_nothing(tmp_path):
    result = run("demo", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    for text in (
        "A cat and a cup",
        "Grad-CAM++",
        "Guided Grad-CAM",
        "Explanation map",
        "tabby",
        "espresso",
    ):
        assert text in page
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 4 * (
        4 + 2
    )  # methods x (four scenes + two targets)
