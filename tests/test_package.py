"""What is built for other machines: its name, what it says of itself, what the sdist holds."""

import re
import tarfile
import tomllib
from email import message_from_string
from importlib.metadata import version
from pathlib import Path

import hatchling.build
import pytest

import sightline
from sightline.errors import DISTRIBUTION, install_advice

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
FOR_USERS = {"models", "demo", "evaluate", "export", "concepts"}
READ = [
    *(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.py"),
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tests" / "SKIPS.md",
]  # fmt: skip


def astray(text: str) -> list[str]:
    """Advice that installs a stranger's package, or an extra that is not there."""
    strangers = re.findall(r"pip install[ '\"]+sightline(?!-cam)|(?<![\w-])sightline\[[a-z]", text)
    named = re.findall(r"sightline-cam\[([\w,]+)\]|install_advice\([\"'](\w+)[\"']\)", text)
    extras = {extra for pair in named for part in pair for extra in part.split(",") if extra}
    return strangers + sorted(extras - EXTRAS)


def test_one_name():
    assert PROJECT["name"] == DISTRIBUTION
    assert sightline.__version__ == version(DISTRIBUTION) == PROJECT["version"]


@pytest.mark.parametrize("room", ["src", "docs", "README.md", "CONTRIBUTING.md", "tests"])
def test_nothing_advises_to_install_a_stranger_s_package(room):
    files = [file for file in READ if file.relative_to(ROOT).parts[0] == room]
    assert files
    assert {file: found for file in files if (found := astray(file.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install sightline",
        "pip install 'sightline[models]'",
        "pip install\"\n\" 'sightline[models]'",
        "pip install 'sightline-cam[nothing]'",
        'install_advice("nothing")',
    ],
)
def test_such_advice_is_found(text):
    assert astray(text)


def test_advice_names_the_index_and_the_checkout():
    assert install_advice("export").count("[export]'") == 2
    assert not astray(install_advice("export"))


def test_all_is_all():
    (every,) = PROJECT["optional-dependencies"]["all"]
    assert set(re.findall(r"\w+", every.removeprefix(DISTRIBUTION))) == FOR_USERS
    assert FOR_USERS | {"all", "test", "clients", "check", "bench"} == EXTRAS


LINK = re.compile(r"\]\(|<(img|a)\b|\]:|https?:", re.I)


def test_no_link_of_the_long_description_dies_outside_the_checkout(tmp_path, monkeypatch):
    """There is no public home yet: what is built says all in words, without a link or a picture."""
    monkeypatch.chdir(ROOT)
    info = hatchling.build.prepare_metadata_for_build_wheel(str(tmp_path))
    said = message_from_string((tmp_path / info / "METADATA").read_text(encoding="utf-8"))
    assert said["Name"] == DISTRIBUTION
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_all("Project-URL") is None
    assert said.get_payload().startswith("# sightline\n")
    assert LINK.findall(said.get_payload()) == []
    assert LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")), "the test can fail"


def test_every_extra_for_users_stands_in_the_long_description():
    text = (ROOT / PROJECT["readme"]).read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == {*FOR_USERS, "all"}


@pytest.mark.slow
def test_the_sdist_holds_all_that_its_own_tests_need(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with tarfile.open(tmp_path / hatchling.build.build_sdist(str(tmp_path))) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    rooms = ("src", "tests", "docs", "benchmarks", "experiments", "training", ".ci")
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(wanted) > 500
    assert sorted(wanted - held) == []
    assert {"pyproject.toml", "Makefile", "README.md", "CONTRIBUTING.md", "LICENSE"} <= held
