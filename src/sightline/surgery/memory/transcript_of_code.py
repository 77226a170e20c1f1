"""Code, read to the letter: a function with what it holds and names, a class with its functions.

Line numbers and file names do not count; a comment may move them. Code of a library is known by its
name, the library's version and the file; but what somebody put into a library's class or module
is somebody's own and is read.
"""

import builtins
import sys
from abc import ABCMeta
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from sightline.surgery.memory.code_of import (
    as_written,
    by_library,
    file_of,
    functions_in,
    home,
    is_library,
    library,
    names_in,
    samples,
)

if TYPE_CHECKING:
    from sightline.surgery.memory.transcript import Transcript

_UNSAID = frozenset(
    {
        "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__",
        "__annotations_cache__", "__annotate_func__", "__annotate__", "__firstlineno__",
        "__static_attributes__", "__abstractmethods__", "_abc_impl", "__parameters__",
        "__orig_bases__", "__dataclass_fields__", "__dataclass_params__", "__match_args__",
    }
)  # fmt: skip
"""What Python writes into a class: nothing that runs."""

_MISSING = object()


def read_code(to: "Transcript", code: CodeType) -> None:
    """Instructions, constants and names; code inside of it, too."""
    to.say("code", code.co_code)
    to.say("errors", code.co_exceptiontable)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    to.say("names", repr((counts, code.co_names, code.co_varnames, code.co_freevars)))
    to.say("cells", repr(code.co_cellvars))
    for constant in code.co_consts:
        to.read(constant)


def read_function(to: "Transcript", function: FunctionType) -> None:
    """Its code, what it holds from where it was made, and what it names of its module."""
    function = as_written(function)
    if by_library(function):
        _name_of(to, function)
    else:
        to.say("function")
        read_code(to, function.__code__)
        _read_named(to, function)
    to.read(function.__defaults__)
    to.items("by name", function.__kwdefaults__ or {})
    for cell in function.__closure__ or ():
        try:
            to.read(cell.cell_contents)
        except ValueError:  # nothing there yet
            to.say("empty")


def _name_of(to: "Transcript", function: FunctionType) -> None:
    module, code = home(function), function.__code__
    version, file = library(module.partition(".")[0]), file_of(module)
    to.say("of library", f"{module} {code.co_qualname} {code.co_firstlineno} {version} {file}")


def _read_named(to: "Transcript", function: FunctionType) -> None:
    from sightline.surgery.memory.transcript import UnreadableError

    reads, imports, every = names_in(function.__code__)
    to.samples = to.samples or samples(every)
    for name in reads:
        value = function.__globals__.get(name, _MISSING)
        if value is _MISSING:
            value = getattr(builtins, name, None)
        to.say("named", name)
        _read_module(to, value, every) if isinstance(value, ModuleType) else to.read(value)
    for name in imports:
        found = imported(function, name)
        if found is None:
            raise UnreadableError(f"{name}, which is imported while the code runs")
        _read_module(to, found, every)


def imported(function: FunctionType, name: str) -> ModuleType | None:
    """The module that an `import` inside a function means, if it is there already."""
    beside = f"{function.__globals__.get('__package__') or ''}.{name}".rstrip(".")
    for spelling in (name, beside):
        if spelling in sys.modules:
            return sys.modules[spelling]
    return None


def _read_module(to: "Transcript", module: ModuleType, names: tuple[str, ...]) -> None:
    """What a code takes out of a module by one of its names."""
    to.say("import", module.__name__)
    if (module, names) in to.opened:
        return
    to.opened.add((module, names))
    for name in names:
        value = vars(module).get(name, _MISSING)
        if value is _MISSING:
            continue
        to.say("taken", name)
        _read_module(to, value, names) if isinstance(value, ModuleType) else to.read(value)


def read_class(to: "Transcript", kind: type) -> None:
    """A class with all it inherits."""
    to.say("class", f"{kind.__module__}.{kind.__qualname__}")
    if type(kind) not in (type, ABCMeta):
        to.read(type(kind))
    for one in kind.__mro__:
        if one is kind:
            _read_body(to, one)
        elif one is not object:
            to.read(one)


def _read_body(to: "Transcript", kind: type) -> None:
    if is_library(kind.__module__):
        version = library(kind.__module__.partition(".")[0])
        to.say("of library", f"{version} {file_of(kind.__module__)}")
        _read_foreign(to, kind)
        return
    for name, value in vars(kind).items():
        if name in _UNSAID:
            continue
        to.say("member", name)
        if (functions := tuple(functions_in(value))) or isinstance(value, property):
            to.say(type(value).__name__)
            for function in functions:
                to.read(function)
        else:
            to.read(value)


def _read_foreign(to: "Transcript", kind: type) -> None:
    """What is in a library's class that the library did not write, or that its `forward` meets."""
    runs = "forward" in vars(kind) and not home(kind).startswith("torch.nn.modules.module")
    for name, value in list(vars(kind).items()):
        for function in functions_in(value):
            to.say("member", name)
            if not by_library(function):
                to.read(function)
                continue
            _name_of(to, function)
            if runs:
                to.samples = to.samples or samples(names_in(function.__code__)[2])
                for met in foreign_to(function):
                    to.read(met)


def foreign_to(function: FunctionType) -> list[FunctionType]:
    """The functions of somebody's own that a library's function meets under the names it reads."""
    reads, _, every = names_in(function.__code__)
    found = []
    for name in reads:
        value: Any = function.__globals__.get(name)
        inside = (
            [vars(value).get(one) for one in every] if isinstance(value, ModuleType) else [value]
        )
        found += [one for one in inside if isinstance(one, FunctionType)]
    return [one for one in found if not by_library(one)]
