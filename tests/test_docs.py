"""The documents are programs: each Python block runs, each method and layer they promise is there,
no link is dead.
"""

import importlib.util
import json
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightline import methods
from sightline.methods import blackbox
from sightline.methods import pixel as pixelspace
from sightline.models import card_for
from sightline.models.bundled import CARD
from sightline.models.torchvision_cards import LAYERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FENCE = re.compile(
    r"^(?P<indent> *)```python(?P<flags>[^\n]*)\n(?P<code>.*?)^(?P=indent)```[ ]*$", re.M | re.S
)
PICTURES = ("photo.jpg", "a.jpg", "b.jpg", "photos/cat.jpg", "photos/cup.jpg")
"""What an example may open: these lie in the folder in which it runs."""


@dataclass(frozen=True)
class Block:
    """A fenced example, with its line in the page, so that a traceback points there."""

    page: Path
    line: int
    flags: str
    code: str

    def compiled(self) -> Any:
        assert self.flags in (
            "",
            "no-run",
        ), f"{self.page.name}:{self.line}: ```python {self.flags} is not known"
        return compile("\n" * self.line + self.code, str(self.page), "exec")


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page, text[: m.start()].count("\n") + 1, m["flags"].strip(), textwrap.dedent(m["code"])
        )
        for m in FENCE.finditer(text)
    ]


def run(page: Path) -> int:
    """Run a page's blocks in one namespace, from top to bottom, and say how many; the first error
    is raised.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    done = 0
    for block in blocks(page):
        code = block.compiled()
        if block.flags != "no-run":
            exec(code, names)
            done += 1
    return done


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with a few pictures as the working folder; no window opens, no setting of the
    process stays changed.
    """
    data = pytest.importorskip(
        "skimage.data", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
    )
    (tmp_path / "photos").mkdir()
    for name in PICTURES:
        picture = data.coffee() if name in ("b.jpg", "photos/cup.jpg") else data.chelsea()
        Image.fromarray(picture).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda *_, **__: None)
    return tmp_path


SLOW = ("export.md", "metrics.md")
"""The one compiles and writes ONNX, the other measures a data set."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in PAGES
    ],
)
def test_the_examples_of_a_page_run(page, elsewhere):
    assert run(page) == sum(block.flags == "" for block in blocks(page))


def test_the_pages_that_explain_have_examples():
    assert all(
        len(blocks(ROOT / page)) >= 2
        for page in ("docs/path.md", "docs/methods.md", "docs/models.md")
    )


def test_a_broken_example_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "text\n```python\na = 1\n```\nmore\n\n- in a list:\n  ```python\n  assert a == 2\n  ```\n"
    )
    with pytest.raises(AssertionError) as raised:
        run(page)
    assert raised.traceback[-1].lineno + 1 == 9
    assert Path(raised.traceback[-1].path) == page
    page.write_text("```python no-run\n1 +\n```\n")
    with pytest.raises(SyntaxError):
        run(page)
    page.write_text("```python norun\n1\n```\n")
    with pytest.raises(AssertionError, match="norun is not known"):
        run(page)
    page.write_text("```python no-run\n1 / 0\n```\n```sh\nls\n```\n")
    assert run(page) == 0


SECTION = re.compile(
    r"^#{3,4} (?P<title>[^\n]+) · `(?P<name>\w+)`\n(?P<body>.*?)(?=^#|\Z)", re.M | re.S
)


def sections() -> dict[str, re.Match[str]]:
    return {
        m["name"]: m
        for m in SECTION.finditer((ROOT / "docs" / "methods.md").read_text(encoding="utf-8"))
    }


def test_every_method_has_a_section_and_every_section_a_method():
    assert set(sections()) == {*methods.METHODS, *pixelspace.PIXELSPACE, *blackbox.BLACKBOX}


@pytest.mark.parametrize("name", [*methods.METHODS, *pixelspace.PIXELSPACE, *blackbox.BLACKBOX])
def test_a_method_s_section_says_all_there_is_to_say(name):
    found = sections()[name]
    room = (
        methods
        if name in methods.METHODS
        else pixelspace
        if name in pixelspace.PIXELSPACE
        else blackbox
    )
    assert found["title"] == room.about(name).title
    assert found["body"].count("$$") == 2
    for part in ("**Paper:**", "**Needs:**", "**Use it**", "**It misleads**"):
        assert found["body"].count(part) == 1, part


ROW = re.compile(r"^\| [^|\n]+ \| [^|\n]+ \| `(?P<model>\w+)` \| `(?P<layer>[\w.]+)` \|$", re.M)


@pytest.mark.slow
def test_the_table_of_layers_is_what_the_cards_say():
    rows = [
        m.groupdict()
        for m in ROW.finditer((ROOT / "docs" / "models.md").read_text(encoding="utf-8"))
    ]
    assert len(rows) == len(LAYERS)
    for row in rows:
        assert card_for(f"torchvision/{row['model']}").layer == row["layer"], row["model"]


def test_what_is_said_of_the_bundled_model_is_what_its_card_says():
    card = json.loads(CARD.read_text(encoding="utf-8"))
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").partition("## `lookout`")[2]
    measured, (low, high) = card["measured"], card["measured"]["val_top1_95"]
    said = [
        f"{card['made']['parameters']:,} parameters",
        f"the {measured['n']:,} validation images",
        f"{measured['val_top1']:.1%}".replace("%", " %")
        + f" (95 % interval {100 * low:.1f} to {100 * high:.1f}) |"
        f" {100 * measured['val_top5']:.1f} % |",
        "| " + " | ".join(measured["val_top1_by_size"]) + " |",
        "| "
        + " | ".join(f"{100 * share:.1f} %" for share in measured["val_top1_by_size"].values())
        + " |",
        f"for {card['made']['epochs']} epochs",
        f"`tabby` to it with\n{card['photographs']['chelsea']['tabby']:.0%}".replace("%", " %"),
        f"`espresso` with {card['photographs']['coffee']['espresso']:.0%}".replace("%", " %"),
        f"working resolution is {card['preprocess']['resize']} pixels",
    ]
    assert [one for one in said if one not in text] == []


def links() -> Any:
    """`docs/links.py`, the program that `make check` runs."""
    spec = importlib.util.spec_from_file_location("links", ROOT / "docs" / "links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_no_link_is_dead():
    assert links().dead() == []


def test_a_dead_link_is_found(tmp_path, monkeypatch):
    program = links()
    monkeypatch.setattr(program, "ROOT", tmp_path)
    (tmp_path / "here.md").write_text(
        "[a](there.md) [b](there.md#part) [c](https://example.org/x) [d](#part) [e](gone.md)"
    )
    (tmp_path / "there.md").write_text("")
    assert program.dead() == ["here.md: gone.md"]


ANCHOR = re.compile(r"\]\((?P<page>[^)#\s]*)#(?P<part>[^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The parts of a page that can be linked to, named as GitHub names them."""
    heads = re.findall(r"^#{1,6} (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "docs" / "decisions").glob("*.md"))], ids=lambda p: p.name
)
def test_links_into_a_page_lead_to_a_heading(page):
    for link in ANCHOR.finditer(page.read_text(encoding="utf-8")):
        if "://" not in link["page"]:
            there = page.parent / link["page"] if link["page"] else page
            assert link["part"] in anchors(there), link[0]


def test_decisions_are_numbered_without_a_gap():
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        head = (ROOT / "docs" / "decisions" / name).read_text(encoding="utf-8").splitlines()[0]
        assert head.startswith(f"# {int(name[:4])}. "), head


SKIPS = {
    "data": re.compile(r"\bshared\(\s*[\"'](?P<word>[\w-]+)"),
    "package": re.compile(r"importorskip\(\s*[\"'](?P<word>[\w.]+)"),
}


def unlisted(tests: Path, listed: str) -> list[str]:
    """What tests can do without and the list does not name: a data set or a package with its file,
    a file by itself.
    """
    missing = []
    rows = [(row.split("|")[1], row) for row in listed.splitlines() if row.startswith("|")]
    for file in sorted(tests.rglob("*.py")):
        text, name = file.read_text(encoding="utf-8"), file.relative_to(tests).as_posix()
        words = [
            (kind, found["word"]) for kind, form in SKIPS.items() for found in form.finditer(text)
        ]
        if (
            re.search(r"^\s*pytest\.(skip|xfail)\(|mark\.(skip|xfail)", text, re.M)
            and name != "helpers/data.py"
        ):
            words.append(("file", name))
        for kind, word in words:
            where = [row for first, row in rows if f"`{word}`" in first]
            if not any(kind == "file" or f"`{name}`" in row for row in where):
                missing.append(f"{name}: {kind} {word}")
    return missing


def test_every_skip_is_on_the_list():
    """A test that is off and not on the list is a bug."""
    assert unlisted(ROOT / "tests", (ROOT / "tests" / "SKIPS.md").read_text(encoding="utf-8")) == []


def test_a_skip_that_is_not_on_the_list_is_found(tmp_path):
    skip, data = "skip", "moon-rocks"  # put together here, so that this file is not found itself
    (tmp_path / "test_a.py").write_text(
        f'def test():\n    pytest.{skip}("tired")\n    shared("{data}", "1.png")\n'
    )
    assert unlisted(tmp_path, "nothing") == [
        "test_a.py: data moon-rocks",
        "test_a.py: file test_a.py",
    ]
    assert unlisted(tmp_path, "| `moon-rocks` | `test_a.py` |\n| `test_a.py` |") == []
    assert unlisted(tmp_path, "| `moon-rocks` | `test_b.py` |\n| `test_a.py` |") == [
        "test_a.py: data moon-rocks"
    ]
