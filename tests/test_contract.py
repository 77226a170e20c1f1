"""The import contract holds, and can fail: the same contract over a made-up package."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS, SURGERY, TORCH_FREE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["importlinter"]["contracts"]
LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def lint(where: Path) -> str:
    """What the linter says of the package that lies in a folder (or in its `src`)."""
    path = where / "src" if (where / "src").exists() else where
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(path)!r}); {LINT}"],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == (1 if " BROKEN" in found.stdout else 0), found.stdout + found.stderr
    return found.stdout


def layers(contract: dict) -> list[list[str]]:
    """The modules of each layer, from the top."""
    return [re.findall(r"\w+", layer) for layer in contract["layers"]]


@pytest.fixture
def empty(tmp_path):
    """A package with every module that the contract names, and nothing in them."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    names = [
        *(f"sightline/{name}" for row in layers(ROOMS) for name in row),
        *(f"sightline/surgery/{name}" for row in layers(SURGERY) for name in row),
        *(name.replace(".", "/") for name in TORCH_FREE["source_modules"]),
    ]
    for name in ("sightline", *names):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
    return tmp_path


def test_the_library_keeps_it():
    assert "3 kept, 0 broken" in lint(ROOT)


def test_a_package_with_nothing_in_it_keeps_it(empty):
    assert "3 kept, 0 broken" in lint(empty)


UP = (layers(ROOMS)[-1][0], layers(ROOMS)[0][0])
SIDEWAYS = tuple(next(row for row in layers(ROOMS) if "maps" in row)[:2])
INSIDE = tuple(f"surgery.{row[0]}" for row in (layers(SURGERY)[-1], layers(SURGERY)[0]))


@pytest.mark.parametrize(
    ("low", "high", "contract"),
    [
        (*UP, ROOMS),
        (*SIDEWAYS, ROOMS),
        (*INSIDE, SURGERY),
        (TORCH_FREE["source_modules"][0].removeprefix("sightline."), "torch", TORCH_FREE),
    ],
)
def test_an_import_against_it_is_reported(low, high, contract, empty):
    name = high if high == "torch" else f"sightline.{high}"
    (empty / "sightline" / low.replace(".", "/") / "__init__.py").write_text(f"import {name}\n")
    said = lint(empty)
    assert f"{contract['name']} BROKEN" in re.sub(r"\s+", " ", said)
    assert f"sightline.{low} is not allowed to import {name}" in re.sub(r"\s+", " ", said)
    assert "2 kept, 1 broken" in said
