"""What the code of a function names, whose code it is, and which classes and values that reaches.

A class of a library stands for its code by its name, its version and its file; whatever else a
model is made of is somebody's own and is read.
"""

import dis
import sys
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from sightline.errors import DISTRIBUTION

_LIBRARIES = {
    "torch", "torchvision", "torchaudio", "timm", "transformers", "numpy", "scipy", "PIL", "einops",
    "huggingface_hub", "safetensors", "jaxtyping", "beartype", "typing_extensions",
    # how a run is watched: no part of a model
    "_pytest", "pytest",
}  # fmt: skip
_ALWAYS = {"torch", "sightline"}
"""Whose version is part of every key, and who are read by nothing else, wherever they lie."""

_NAMES: dict[int, tuple[CodeType, "Names"]] = {}
_MOST_NAMES = 20_000

Names = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

_SAMPLES = frozenset(
    {"grid_sample", "grid_sampler", "affine_grid", "deform_conv2d", "DeformConv2d", "remap"}
)


def names_in(code: CodeType) -> Names:
    """What a code reads of its module's names, imports while it runs, and all names it has.

    What it does is not run. Of code inside of it (a `lambda`, a list in brackets) the same.

    >>> names_in((lambda x: len(x.shape)).__code__)
    (('len',), (), ('len', 'shape'))
    """
    known = _NAMES.get(id(code))
    if known is not None:
        return known[1]  # the code is kept beside: its address is no other's
    reads: dict[str, None] = {}
    imports: dict[str, None] = {}
    every = dict.fromkeys(code.co_names)
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            reads[step.argval] = None
        elif step.opname == "IMPORT_NAME":
            imports[step.argval] = None
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            for mine, others in zip((reads, imports, every), names_in(inner), strict=True):
                mine.update(dict.fromkeys(others))
    if len(_NAMES) >= _MOST_NAMES:
        _NAMES.clear()
    found = tuple(reads), tuple(imports), tuple(every)
    _NAMES[id(code)] = code, found
    return found


@lru_cache(maxsize=8192)
def samples(names: tuple[str, ...]) -> bool:
    """Whether code with these names looks at a picture at places that are numbers.

    Where these come from weights, weights decide where something lies.

    >>> samples(("F", "grid_sample")), samples(("F", "relu"))
    (True, False)
    """
    return not _SAMPLES.isdisjoint(names)


def functions_in(value: Any) -> Iterator[FunctionType]:
    """The functions in what a class holds under a name: itself, or what a property is made of.

    >>> [one.__name__ for one in functions_in(property(lambda self: 1))]
    ['<lambda>']
    """
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, staticmethod | classmethod):
        yield from functions_in(value.__func__)
    elif isinstance(value, property):
        for one in (value.fget, value.fset):
            yield from functions_in(one)
    elif isinstance(value, cached_property):
        yield from functions_in(value.func)


def home(value: Any) -> str:
    """The module in which a function was written, a class or a builtin; empty where none says so.

    A function says it by its globals: a wrapper bears the `__module__` of what it wraps.
    """
    if isinstance(value, FunctionType):
        return str(value.__globals__.get("__name__", ""))
    if isinstance(value, ModuleType):
        return value.__name__
    name = getattr(value, "__module__", None)
    if name is None and isinstance(value, BuiltinFunctionType):
        owner = value.__self__
        name = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__module__
    return name if isinstance(name, str) else ""


def by_library(function: FunctionType) -> bool:
    """Whether a function is what a library's file says, and was not made while the program runs.

    >>> import torch
    >>> by_library(torch.nn.Module.train), by_library(lambda x: x)
    (True, False)
    """
    module = home(function)
    if not is_library(module):
        return False
    # A data class has its methods made from strings, a part of Python itself is frozen.
    made = function.__code__.co_filename
    if made == "<string>" or made.startswith("<frozen"):
        return True
    return made == getattr(sys.modules.get(module), "__file__", None)


def as_written(function: FunctionType) -> FunctionType:
    """The function itself; of one of a library that a library has wrapped, the one inside.

    PyTorch wraps functions of its own while it is running, and they do what they did.

    >>> from functools import wraps
    >>> own = lambda x: x
    >>> as_written(wraps(own)(lambda x: own(x))) is own
    False
    """
    inner = getattr(function, "__wrapped__", None)
    while isinstance(inner, FunctionType) and by_library(function) and by_library(inner):
        function, inner = inner, getattr(inner, "__wrapped__", None)
    return function


def is_library(module: str) -> bool:
    """Whether a module belongs to something that is installed and has a version.

    >>> is_library("torch.nn"), is_library("json"), is_library("__main__")
    (True, True, False)
    """
    return library(module.partition(".")[0]) is not None


def is_named_by_its_module(kind: type) -> bool:
    """Whether a class is there for as long as its module is: not one made while the program runs.

    >>> is_named_by_its_module(dict), is_named_by_its_module(type("Made", (), {}))
    (True, False)
    """
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


@lru_cache(maxsize=256)
def library(package: str) -> str | None:
    """The version of an installed library; None for what is somebody's own and may change.

    What is installed from a checkout of its own keeps its version while it is worked on.

    >>> library("json") == "{}.{}.{}".format(*sys.version_info[:3]), library("__main__")
    (True, None)
    """
    if package in sys.stdlib_module_names or package == "builtins":
        return "{}.{}.{}".format(*sys.version_info[:3]) if package != "__main__" else None
    module = sys.modules.get(package)
    if module is None or package not in _LIBRARIES | _ALWAYS:
        return None
    parts = Path(getattr(module, "__file__", None) or "").parts
    if package not in _ALWAYS and not {"site-packages", "dist-packages"} & set(parts):
        return None
    return str(_version(package, module))


def _version(package: str, module: ModuleType) -> Any:
    from importlib import metadata  # a tenth of a second, and only in a first proof

    if package == "sightline":
        package = DISTRIBUTION
    try:
        return getattr(module, "__version__", None) or metadata.version(package)
    except metadata.PackageNotFoundError:
        return None if package not in _ALWAYS else "unknown"


@lru_cache(maxsize=4096)
def file_of(module: str) -> tuple[int, int]:
    """Size and time of the file of a library's module: also there people change a line."""
    try:
        found = Path(getattr(sys.modules.get(module), "__file__", None) or "").stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
