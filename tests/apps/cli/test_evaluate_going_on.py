"""`sightline evaluate` and its folder: stopped by a key and gone on with, broken, all errors; who
reads pictures.
"""

import json
import os
from importlib import import_module

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from sightline.apps.cli import commands
from sightline.errors import SightlineError
from sightline.evaluation import store

ROWS = import_module("sightline.evaluation.rows")


def run(*words):
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture
def photos(tmp_path):
    place = tmp_path / "data"
    place.mkdir()
    rng = np.random.default_rng(0)
    for k in range(4):
        Image.fromarray(rng.integers(0, 256, (70, 70, 3), dtype=np.uint8)).save(place / f"{k}.png")
    return place


def measuring(photos, out, *more):
    usual = [
        "--metrics",
        "average_drop",
        "--batch",
        "1",
        "--part",
        "2",
        "--views",
        "0",
        "--workers",
        "0",
    ]
    return run("evaluate", photos, "-m", "grad_cam", "--out", out, *usual, *more)


def pressed_after(monkeypatch, batches):
    """Ctrl-C in the middle of a batch, after so many whole ones."""
    left, measure = [None] * batches, ROWS.rows_of

    def rows_of(*args, **options):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return measure(*args, **options)

    monkeypatch.setattr(ROWS, "rows_of", rows_of)


@pytest.mark.slow
def test_a_key_pressed_says_how_to_go_on(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    whole = (
        store.read(tmp_path / "whole")
        if measuring(photos, tmp_path / "whole").exit_code == 0
        else None
    )
    with monkeypatch.context() as patch:
        pressed_after(patch, 3)
        result = measuring(photos, out)
    assert result.exit_code == 130
    assert (
        f"stopped; {out} keeps 1 part of up to 2 pictures: the same command goes on from there."
        in result.stderr
    )
    assert "Traceback" not in result.output
    assert store.read(out).column("item") == [0, 1]
    assert measuring(photos, out).exit_code == 0
    assert store.read(out).rows.equals(whole.rows)


@pytest.mark.slow
def test_a_key_pressed_before_anything_is_kept_says_so(photos, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        pressed_after(patch, 1)
        result = measuring(photos, tmp_path / "out")
    assert result.exit_code == 130
    assert (
        "stopped; the first 2 pictures were not done: the same command begins again"
        in result.stderr
    )
    assert measuring(photos, tmp_path / "out").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", '{"methods": ['])
def test_a_run_json_cut_short_is_named_before_a_model_is_loaded(
    photos, tmp_path, monkeypatch, content
):
    out = tmp_path / "out"
    assert measuring(photos, out).exit_code == 0
    (out / "run.json").write_text(content)
    monkeypatch.setattr("sightline.models.load", None)
    for result in (measuring(photos, out), run("report", out), run("seeds", out)):
        assert isinstance(result.exception, SightlineError)
        assert f"{out / 'run.json'}: expected what was run" in str(result.exception)
        assert "another --out" in str(result.exception)


def test_pictures_that_are_all_broken(photos, tmp_path):
    for path in photos.iterdir():
        path.write_bytes(b"\x89PNG")
    result = measuring(photos, tmp_path / "out", "-m", "grad_cam_pp")
    assert result.exit_code == 2
    assert "caution: Nothing could be measured: all 4 images failed." in result.stdout
    assert "n=0" not in result.stdout
    assert (
        len([line for line in result.stderr.splitlines() if line.startswith("not measured: ")]) == 4
    )
    result = run("report", tmp_path / "out")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert page.count("3.png</th>") == 1
    assert ">Scores<" not in page


@pytest.mark.parametrize(
    ("cores", "workers"), [(None, 0), (1, 0), (2, 0), (4, 1), (11, 2), (16, 4), (256, 4)]
)
def test_pictures_are_read_by_others_where_there_are_cores_to_spare(
    photos, tmp_path, monkeypatch, cores, workers
):
    class StopError(Exception):
        pass

    asked = []

    def evaluate(*_, workers, **__):
        asked.append(workers)
        raise StopError

    monkeypatch.setattr(import_module("sightline.evaluation.evaluate"), "evaluate", evaluate)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    run("evaluate", photos, "--out", tmp_path / "out")
    run("evaluate", photos, "--out", tmp_path / "out", "--workers", "3")
    assert asked == [workers, 3]


def test_the_help_says_who_reads():
    assert "one for every four processor cores, 4 at most" in " ".join(
        run("evaluate", "--help").output.split()
    )


def test_seeds_that_cannot_be_written(photos, tmp_path):
    assert measuring(photos, tmp_path / "out").exit_code == 0
    (tmp_path / "file").write_text("")
    result = run("seeds", tmp_path / "out", "--out", tmp_path / "file")
    assert isinstance(result.exception, SightlineError)
    assert "another folder with --out" in str(result.exception)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["methods"] == ["grad_cam"]
