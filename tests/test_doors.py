"""The rooms' doors: every public name is imported when it is first used, and is what it says.

A door says a name three times: `_WHERE` finds it, `__all__` lists it, and under `TYPE_CHECKING` it
is imported for editors and type checkers. Here the three are held together.
"""

import ast
import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import sightline
from sightline.supply import lazily

DOORS = (
    "sightline",
    "sightline.methods",
    "sightline.methods.blackbox",
    "sightline.methods.pixel",
    "sightline.metrics",
    "sightline.render",
    "sightline.targets",
)

PUBLIC = [
    "BLACKBOX",
    "Box",
    "Card",
    "Contrast",
    "Explainer",
    "Explanation",
    "Factorisation",
    "METHODS",
    "METRICS",
    "Margin",
    "Neuron",
    "Output",
    "PIXELSPACE",
    "Preprocess",
    "Protocol",
    "Region",
    "SightlineError",
    "Similarity",
    "Target",
    "capture",
    "combine",
    "compare_layers",
    "compiled",
    "describe",
    "evaluate",
    "explain",
    "explain_folder",
    "explanation_map",
    "exportable",
    "factorise",
    "fuse",
    "image_map",
    "kept_confidence",
    "layers",
    "load",
    "summarise",
    "to_onnx",
]

each = pytest.mark.parametrize("name", DOORS)


def for_type_checkers(path: Path) -> dict[str, str]:
    """The names that a file imports under `if TYPE_CHECKING:`, with the modules."""
    found = {}
    for block in ast.parse(path.read_text()).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                if isinstance(line, ast.ImportFrom):
                    for one in line.names:
                        assert one.asname == one.name, "only `from x import y as y` is exported"
                        found[one.name] = line.module
    return found


@each
def test_the_three_lists_are_one(name):
    door = importlib.import_module(name)
    assert for_type_checkers(Path(door.__file__)) == door._WHERE
    assert sorted(door.__all__) == sorted(door._WHERE)
    assert len(set(door.__all__)) == len(door.__all__)


@each
def test_every_name_is_there_and_is_the_one_its_module_has(name):
    door = importlib.import_module(name)
    for public, module in door._WHERE.items():
        found = getattr(door, public)
        assert found is getattr(importlib.import_module(module), public)
        assert not isinstance(found, ModuleType), public
    shown = {public for public in dir(door) if not public.startswith("__")}
    rooms = {path.parent.name for path in Path(door.__file__).parent.glob("*/__init__.py")}
    assert shown == {*door.__all__, *rooms}


@each
def test_nothing_else_is_public(name):
    door = importlib.import_module(name)
    others = {
        public
        for public, value in vars(door).items()
        if not public.startswith("_") and public not in door.__all__
        if not (isinstance(value, ModuleType) and value.__name__ == f"{name}.{public}")
    }
    # type checkers know the first by this name; the shape checks of this test run bring the second
    assert others <= {"TYPE_CHECKING", "jaxtyping"}


def test_the_public_names_are_these():
    assert sorted(sightline.__all__) == PUBLIC
    assert isinstance(sightline.__version__, str)


def test_a_name_that_is_not_there_is_an_error_that_names_it():
    with pytest.raises(AttributeError, match="module 'sightline' has no attribute 'explian'"):
        sightline.explian  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'gradcam'"):
        from sightline.methods import gradcam  # noqa: F401
    assert not hasattr(sightline, "_nothing")


def of_their_own_name() -> list[tuple[str, str]]:
    """The functions whose files are called as they are: what a file could hide."""
    return [
        (name, public)
        for name in DOORS
        for public, module in importlib.import_module(name)._WHERE.items()
        if module == f"{name}.{public}"
    ]


def in_a_process_of_its_own(program: str) -> str:
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.slow
def test_a_file_does_not_hide_the_function_that_has_its_name():
    """Python makes a file an attribute of its package as soon as anybody imports it."""
    pairs = of_their_own_name()
    assert {("sightline.metrics", "loc"), ("sightline.render", "overlay")} <= set(pairs)
    lines = [
        line
        for name, public in pairs
        for line in (
            f"import {name}.{public}",
            f"from {name} import {public}",
            f"assert callable({public}) and {public}.__name__ == {public!r}, {public}",
            f"assert {name}.{public} is {public}",
            f"assert sys.modules['{name}.{public}'].{public} is {public}",
        )
    ]
    in_a_process_of_its_own("\n".join(["import sys", *lines]))


@pytest.mark.slow
def test_nor_when_the_function_was_there_first():
    lines = [
        line
        for name, public in of_their_own_name()
        for line in (
            f"from {name} import {public} as found",
            f"import {name}.{public}",
            f"assert {name}.{public} is found and callable(found)",
        )
    ]
    in_a_process_of_its_own("\n".join(lines))


def test_the_trap_is_real(tmp_path, monkeypatch):
    """The same package, without the door: the file hides the function."""
    room = tmp_path / "room"
    room.mkdir()
    (room / "deed.py").write_text("def deed(): ...\n")
    (room / "__init__.py").write_text("_WHERE = {'deed': 'room.deed'}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import room.deed

    try:
        assert isinstance(room.deed, ModuleType)
        del room.deed
        lazily("room")
        assert room.deed is sys.modules["room.deed"].deed
        room.deed = sys.modules["room.deed"]  # what Python's import does
        assert callable(room.deed)
    finally:
        del sys.modules["room.deed"], sys.modules["room"]


@pytest.mark.slow
def test_a_star_brings_every_name():
    program = "from sightline.metrics import *\nprint(loc.__name__, METRICS['loc'] is loc)"
    assert in_a_process_of_its_own(program) == "loc True"


@pytest.mark.slow
def test_a_part_can_be_reached_from_the_name_alone():
    program = "import sightline\nprint(sightline.methods.pixel.PIXELSPACE['gradient'].__name__)"
    assert in_a_process_of_its_own(program) == "gradient"


def test_functions_behind_a_door_can_be_pickled():
    from sightline.metrics import loc

    assert pickle.loads(pickle.dumps(loc)) is loc
    assert pickle.loads(pickle.dumps(sightline.Card)) is sightline.Card


def test_a_bare_checkout_has_a_version_too(monkeypatch):
    from importlib import metadata

    from sightline import supply

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    supply.version.cache_clear()
    assert sightline.__version__ == "0+unknown"
    supply.version.cache_clear()


def test_a_library_says_nothing_unless_it_is_asked():
    import logging

    kinds = [type(one) for one in logging.getLogger("sightline").handlers]
    assert logging.NullHandler in kinds
