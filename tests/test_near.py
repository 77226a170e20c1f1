"""`make near`: the tests that mirror what was changed."""

from pathlib import PurePosixPath

import pytest

import near as program

FILES = [
    "src/sightline/maps/blur.py", "src/sightline/maps/order.py", "src/sightline/maps/__init__.py",
    "src/sightline/surgery/harness/hooks.py", "src/sightline/errors.py",
    "tests/maps/test_blur.py", "tests/maps/test_blur_edges.py", "tests/maps/test_order.py",
    "tests/surgery/test_hazards.py", "tests/surgery/harness/test_grids.py", "tests/test_docs.py",
    "tests/helpers/nets.py", "tests/conftest.py",
]  # fmt: skip
USES = "from helpers.nets import batch\n"


@pytest.fixture
def root(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(USES if name.endswith("test_grids.py") else "")
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "want"),
    [
        ("src/sightline/maps/blur.py", ["maps/test_blur.py", "maps/test_blur_edges.py"]),
        ("src/sightline/maps/order.py", ["maps/test_order.py"]),
        (
            "src/sightline/maps/__init__.py",
            ["maps/test_blur.py", "maps/test_blur_edges.py", "maps/test_order.py"],
        ),
        ("src/sightline/surgery/harness/hooks.py", ["surgery/harness/test_grids.py"]),
        ("src/sightline/surgery/gone/away.py", ["surgery/test_hazards.py"]),
        ("src/sightline/errors.py", ["test_docs.py"]),
        ("tests/helpers/nets.py", ["surgery/harness/test_grids.py"]),
        ("tests/maps/test_order.py", ["maps/test_order.py"]),
        ("docs/path.md", ["test_docs.py"]),
        ("README.md", ["test_docs.py"]),
        ("tests/maps/test_gone.py", []),
        ("LICENSE", []),
    ],
)
def test_tests_near_a_file(changed, want, root):
    found = program.near([changed + "\n"], root)
    own = [changed] if changed.startswith("src") and (root / changed).exists() else []
    assert found == [f"tests/{name}" for name in want] + own


def test_each_module_of_the_library_has_tests_near_it():
    for file in (program.ROOT / "src").rglob("*.py"):
        found = program.near([file.relative_to(program.ROOT).as_posix()])
        assert any(name.startswith("tests/") for name in found), file


def test_each_module_of_the_library_has_its_mirror():
    """A test of its own name, so that its path alone says what to run."""
    for file in (program.ROOT / "src").rglob("*.py"):
        path = PurePosixPath(file.relative_to(program.ROOT).as_posix())
        if path.stem != "__init__":
            names = {found.stem for found in program.mirrors(path, program.ROOT)}
            assert all(f"{name}_".startswith(f"test_{path.stem}_") for name in names), path
