"""Which tests are near a change: names of changed files in, names of tests out, one a line.

    git diff --name-only HEAD | python tests/near.py

`src/sightline/maps/blur.py` has its mirror in `tests/maps/test_blur.py`, and in whatever else there
begins with `test_blur`; a module without a mirror has all tests of the nearest folder; a package's
`__init__.py` has the tests that lie in its folder. A module's own file goes along, for the examples
in its docstrings. A helper or a slow twin has the tests that import it, a document `test_docs.py`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]


def near(changed: Iterable[str], root: Path = ROOT) -> list[str]:
    """The tests near files that changed, sorted; none for a file that has no test.

    The library's own files last: pytest, when it reads the examples of `maps/blur.py`, puts that
    module in the place of the function of the same name in `sightline.maps`.
    """
    found: set[Path] = set()
    for name in changed:
        path = PurePosixPath(name.strip())
        match path.parts:
            case ("src", "sightline", *_) if path.suffix == ".py":
                found |= mirrors(path, root) | ({root / path} if (root / path).exists() else set())
            case ("tests", "helpers" | "reference" | "laws" | "zoo", _) if not is_test(path):
                found |= users(path, root)
            case ("tests", *_) if is_test(path) and (root / path).exists():
                found.add(root / path)
            case ("docs", *_) | ("README.md",) | ("CONTRIBUTING.md",):
                found.add(root / "tests" / "test_docs.py")
            case ("pyproject.toml",):
                found |= {root / "tests" / f"test_{word}.py" for word in ("package", "contract")}
    names = [path.relative_to(root).as_posix() for path in found]
    return sorted(names, key=lambda name: (name.startswith("src/"), name))


def is_test(path: PurePosixPath) -> bool:
    """Whether pytest collects it."""
    return path.name.startswith("test_") and path.suffix == ".py"


def mirrors(path: PurePosixPath, root: Path) -> set[Path]:
    """The tests of a module: those of its name, or all of the nearest folder that has any."""
    room = root.joinpath("tests", *path.parts[2:-1])
    if path.stem == "__init__":
        own = {*room.glob("test_*.py")}
    else:
        own = {*room.glob(f"test_{path.stem}.py"), *room.glob(f"test_{path.stem}_*.py")}
    while not own:  # tests/ itself has some
        own = {*room.glob("test_*.py"), *room.parent.glob(f"test_{room.name}*.py")}
        room = room.parent
    return own


def users(path: PurePosixPath, root: Path) -> set[Path]:
    """The tests that import a helper."""
    module, package = path.stem, path.parts[-2]
    words = (f"{package}.{module} ", f"from {package} import {module}")
    return {
        file
        for file in (root / "tests").rglob("test_*.py")
        if any(word in file.read_text(encoding="utf-8") for word in words)
    }


if __name__ == "__main__":
    print("\n".join(near(sys.stdin)))
