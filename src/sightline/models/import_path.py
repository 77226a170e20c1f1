"""From `package.module:name` or `file.py:name` to the object of that name: its code is run."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from sightline.errors import ModelError, near

_FORM = "package.module:name or file.py:name"


def is_import_path(name: str) -> bool:
    """Whether a model's name is a path to an object in Python code.

    >>> [is_import_path(n) for n in ("pkg.nets:Net", "nets.py:Net", "resnet50", "hf-hub:a/b")]
    [True, True, False, False]
    """
    if name.startswith(("hf-hub:", "hf_hub:")):
        return False
    return ":" in name or name.endswith(".py")


@contextmanager
def found_at(path: str) -> Iterator[Any]:
    """The object at a path, and while it is in use what lies beside it can be imported.

    Of a file that is its folder (of a file in a package, the folder above the package), of a module
    the current folder. Raises `ModelError` where there is no such module or name, and where running
    the module's code fails.
    """
    where, _, name = path.rpartition(":")
    if path.endswith(".py") or not where or not name:
        file = path.removesuffix(":")
        raise ModelError(f"expected {_FORM}; got '{path}'. {_inside(Path(file).expanduser())}")
    if where.endswith(".py"):
        file_ = Path(where).expanduser().resolve()
        root, module = _module_name(file_, where)
    else:
        file_, root, module = None, Path.cwd(), where
    sys.path.insert(0, str(root))
    try:
        found = _by_import(module) if file_ is None or "." in module else _by_file(file_, module)
        yield _attribute(found, name, where)
    finally:
        if str(root) in sys.path:
            sys.path.remove(str(root))


def failed(what: str, error: BaseException) -> ModelError:
    """The error of somebody's own code, with the last place in it, in one line."""
    reason = " ".join(str(error).split())[:300]
    if isinstance(error, SyntaxError):
        place = f"{Path(error.filename or what).name}, line {error.lineno}"
        return ModelError(
            f"{what} cannot be read as Python: {error.msg} ({place}). Mend it and try again."
        )
    if isinstance(error, SystemExit):
        return ModelError(
            f"{what} ended the program ({_place(error.__traceback__)}), as a script does that is"
            " run. Put what it does when it is run under: if __name__ == '__main__':"
        )
    return ModelError(
        f"{what} raised {type(error).__name__}{f': {reason}' if reason else ''}"
        f" ({_place(error.__traceback__)}). Mend it there; in Python the whole traceback is shown:"
        " sightline.load(...)."
    )


def _place(traceback: TracebackType | None) -> str:
    """The innermost place that is in nobody's library."""
    own = other = "no place is known"
    while traceback is not None:
        file = Path(traceback.tb_frame.f_code.co_filename)
        other = f"{file.name}, line {traceback.tb_lineno}"
        here = Path(__file__).parents[1] in file.parents
        if not here and "site-packages" not in file.parts and "importlib" not in str(file):
            own = other
        traceback = traceback.tb_next
    return other if own.startswith("no place") else own


def _module_name(file: Path, said: str) -> tuple[Path, str]:
    """The folder to import from and the name to import: of a file in a package its dotted name."""
    if not file.is_file():
        folder = file.parent
        beside = [one.name for one in folder.glob("*.py")] if folder.is_dir() else []
        hint = near(file.name, beside) if beside else "Check the path."
        raise ModelError(f"there is no file '{said}'. {hint}")
    root, parts = file.parent, [file.stem]
    while (root / "__init__.py").is_file() and root.name.isidentifier():
        parts.insert(0, root.name)
        root = root.parent
    return root, ".".join(parts)


def _by_import(module: str) -> ModuleType:
    if module.startswith("."):
        raise _missing(module, module)  # relative to nothing
    importlib.invalidate_caches()  # a file may have been written a moment ago
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (module == missing or module.startswith(f"{missing}.")):
            raise _missing(missing, module) from error
        raise _needs(module, error) from error
    except (Exception, SystemExit) as error:  # anybody's code can raise anything
        raise failed(f"'{module}'", error) from error


def _by_file(file: Path, module: str) -> ModuleType:
    """The file's code, run anew each time; it takes no other module's name."""
    known = sys.modules.get(module)
    if known is not None and getattr(known, "__file__", None) != str(file):
        module = f"{module}_of_{abs(hash(str(file))):x}"
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None  # it is a file that ends in .py
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    before = sys.modules.get(module)
    sys.modules[module] = found  # where dataclasses and pickle look for it
    try:
        spec.loader.exec_module(found)
    except BaseException as error:
        if before is None:
            del sys.modules[module]
        else:
            sys.modules[module] = before
        if isinstance(error, ModuleNotFoundError):
            raise _needs(file.name, error) from error
        if isinstance(error, Exception | SystemExit):
            raise failed(f"'{file.name}'", error) from error
        raise
    return found


def _missing(missing: str, module: str) -> ModelError:
    """There is no such module; perhaps a file is meant."""
    files = [Path(f"{module}.py"), Path(f"{module.replace('.', '/')}.py")]
    there = next((str(one) for one in files if one.is_file()), None)
    hint = f" There is a file: '{there}:...'." if there else ""
    return ModelError(
        f"there is no module '{missing}', neither in the current folder nor on Python's path. Check"
        f" the name, or set PYTHONPATH to the folder that holds it.{hint}"
    )


def _needs(what: str, error: ModuleNotFoundError) -> ModelError:
    return ModelError(
        f"'{what}' imports '{error.name}', which is not there ({_place(error.__traceback__)})."
        " Install it, or set PYTHONPATH to the folder that holds it."
    )


def _attribute(module: ModuleType, name: str, where: str) -> Any:
    """`Net`, or `Net.small`, of a module."""
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            on_offer = [
                one
                for one, value in vars(found).items()
                if not one.startswith("_") and callable(value)
            ]
            hint = near(part, on_offer) if on_offer else "There is nothing in it to call."
            raise ModelError(f"'{where}' has no '{name}'. {hint}") from error
    return found


def _inside(file: Path) -> str:
    """What of a file could be named, read without running it."""
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except (OSError, SyntaxError, ValueError):
        return "The name is that of a function or class that makes the model, or of the model."
    names = [one.name for one in body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    names += [
        target.id
        for one in body
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    ]
    return f"In it are: {', '.join(repr(one) for one in names[:12])}." if names else "It is empty."
