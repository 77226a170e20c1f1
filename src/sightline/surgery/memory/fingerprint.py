"""What decides where the places of a layer lie, as it stands now: read at every call, so cheaply.

Code is not read but recognised: a function by being the same object. Whoever is to find an outcome
again in another process reads to the letter (`transcript.py`), at a hundred times the price.
"""

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ref

import numpy as np
from torch import Tensor, nn

from sightline.surgery.harness.supported import fingerprint, modules_of
from sightline.surgery.memory.code_of import (
    as_written,
    by_library,
    functions_in,
    is_library,
    names_in,
    samples,
)
from sightline.surgery.memory.counted import HOOKS, WEIGHTS, counts, shape_of
from sightline.surgery.memory.identity import MOST_HASHED, contents, same, version
from sightline.surgery.memory.recognised import (
    PLAIN,
    keep_module,
    library_class,
    not_plain,
    plain_modules,
    settings_in,
)

State = dict[Hashable, dict[Hashable, Any]]
"""For each module, class and function by what names it goes, and what stands under them."""

_MISSING = object()
_DEEP, _LONG, _MOST_OBJECTS = 3, 256, 200


def made_and_hooked(model: nn.Module) -> State:
    """Equal for as long as nothing is exchanged that decides where places lie.

    Modules, their classes and the functions in them, settings, shapes, buffers, hooks, and what own
    code names: functions, classes, numbers of its module. Weights do not count. It keeps nothing
    alive that it names.

    >>> net = nn.Sequential(nn.ReLU())
    >>> before = made_and_hooked(net)
    >>> net[0].forward = lambda x: x.flip(-1)
    >>> flipped = made_and_hooked(net)
    >>> before == flipped, flipped == made_and_hooked(net)
    (False, True)
    """
    return _State().of(model)


def changed(one: State, other: State) -> set[tuple[Hashable, Hashable]]:
    """Under which names of whom two states differ."""
    return {
        (who, name)
        for who in one.keys() | other.keys()
        for name in one.get(who, {}).keys() | other.get(who, {}).keys()
        if one.get(who, {}).get(name, _MISSING) != other.get(who, {}).get(name, _MISSING)
    }


class _State:
    """One reading: what was met on the way is gone through in its turn, each thing once."""

    def __init__(self) -> None:
        self.found: State = {}
        self.modules: list[nn.Module] = []
        self.classes: list[type] = []
        self.functions: list[FunctionType] = []
        self.met: set[int] = set()
        self.objects = 0
        self.samples = False

    def of(self, model: nn.Module) -> State:
        tables = nn.modules.module
        modules_there = modules_of(model)
        self.found["made"] = {"of": fingerprint(model, modules_there)}
        self.found["everywhere"] = {
            name: self.value(table)
            for name in ("_global_forward_hooks", "_global_forward_pre_hooks")
            if (table := getattr(tables, name))
        }
        self.add(modules_there)
        # These lists grow while they are gone through.
        modules, classes, functions = 0, 0, 0
        while (
            modules < len(self.modules)
            or classes < len(self.classes)
            or functions < len(self.functions)
        ):
            new = self.modules[modules:]
            self.read(new, modules)
            modules += len(new)
            for kind in self.classes[classes:]:
                self.found[ref(kind)], classes = self.body(kind), classes + 1
            for function in self.functions[functions:]:
                self.found[ref(function)], functions = self.named(function), functions + 1
        if self.samples:
            weights = enumerate(model.parameters())
            self.found["weights"] = {k: (same(one), version(one)) for k, one in weights}
        return self.found

    def add(self, modules: list[nn.Module]) -> None:
        """All modules of a network."""
        for module in modules:
            if id(module) not in self.met:
                self.met.add(id(module))
                self.modules.append(module)

    def kind(self, kind: type) -> None:
        """A class, with all it inherits."""
        if id(kind) not in self.met:
            for one in kind.__mro__:
                if id(one) not in self.met:
                    self.met.add(id(one))
                    self.classes.append(one)

    def read(self, modules: Sequence[nn.Module], first: int) -> None:
        """Settings and tables of some modules, the `first` of them being of this number.

        A network has hundreds, and this is done in every call: so a module that is the same costs
        no call of a function.
        """
        found, met, known_modules, parameter = self.found, self.met, plain_modules, nn.Parameter
        for number, module in enumerate(modules, first):
            own = module.__dict__
            if id(type(module)) not in met:
                self.kind(type(module))
            known = known_modules.get(id(module))
            try:
                still = (
                    known is not None
                    and known.module() is module
                    and len(own) == known.names
                    and all(map(is_, known.take(own), known.values))
                )
            except KeyError:  # one name has taken the place of another
                still = False
            found[number] = known.found if known is not None and still else self.settings(module)
            if weights := own["_parameters"]:
                shapes = [
                    one.shape if type(one) is parameter else one if one is None else shape_of(one)
                    for one in weights.values()
                ]
                found[number, "weights"] = {"": shapes}
            if (buffers := own["_buffers"]) and not buffers.keys() <= WEIGHTS:
                found[number, "buffers"] = self.buffers(module)
            if (
                own["_forward_hooks"]
                or own["_forward_pre_hooks"]
                or own["_backward_hooks"]
                or own["_backward_pre_hooks"]
            ):
                found[number, "hooks"] = {name: self.value(own[name]) for name in HOOKS}

    def buffers(self, module: nn.Module) -> dict[Hashable, Any]:
        return {
            name: (
                shape_of(buffer),
                contents(buffer) if counts(module, name, buffer) else None,
            )
            for name, buffer in module._buffers.items()
            if buffer is not None
        }

    def settings(self, module: nn.Module) -> dict[Hashable, Any]:
        names, take = settings_in(tuple(module.__dict__))
        held = take(module.__dict__)
        values = list(held)
        types = tuple(map(type, values))
        plain = True
        for k in not_plain(types):
            before = values[k]
            values[k] = self.value(before)
            plain = plain and values[k] is before
        # 1 == True == 1.0, and a model may tell them apart.
        found: dict[Hashable, Any] = {"_types": types, **dict(zip(names, values, strict=True))}
        if plain:
            keep_module(module, take, held, found)
        return found

    def body(self, kind: type) -> dict[Hashable, Any]:
        """What stands in a class itself."""
        if is_library(kind.__module__):
            known = library_class(kind)
            for function in known.looked_into:
                self.function(function)
            return known.functions
        found: dict[Hashable, Any] = {}
        for name, value in vars(kind).items():
            if functions := tuple(functions_in(value)):
                found[name] = tuple(map(ref, functions))
                for function in functions:
                    self.function(function)
            elif type(value) in PLAIN:
                found[name] = value
            elif not name.startswith("__"):
                found[name] = self.value(value)
        return found

    def function(self, function: FunctionType) -> None:
        if id(function) not in self.met:
            self.met.add(id(function))
            self.functions.append(function)

    def named(self, function: FunctionType) -> dict[Hashable, Any]:
        """What stands under the names that the code of a function reads, and in its cells."""
        reads, _, every = names_in(function.__code__)
        self.samples = self.samples or samples(every)
        found: dict[Hashable, Any] = {}
        theirs = function.__globals__
        library = by_library(function)
        for name in reads:
            value = theirs.get(name, _MISSING)
            if value is _MISSING:
                continue
            if type(value) is ModuleType:
                inside = vars(value)
                for one in every:
                    if (taken := inside.get(one, _MISSING)) is not _MISSING:
                        found[name, one] = self.outer(taken, library)
            else:
                found[name] = self.outer(value, library)
        self.held(function, found, library)
        return found

    def held(self, function: FunctionType, found: dict[Hashable, Any], library: bool) -> None:
        """What a function was given when it was made: cells and defaults."""
        if function.__defaults__:
            found[0] = self.value(function.__defaults__)
        if function.__kwdefaults__:
            found[1] = self.value(function.__kwdefaults__)
        if code_is_exchanged := function.__code__:
            found[2] = id(code_is_exchanged)  # kept by `names_in`
        for k, cell in enumerate(function.__closure__ or ()):
            try:
                found["cell", k] = self.value(cell.cell_contents)
            except ValueError:  # nothing there yet
                found["cell", k] = None

    def outer(self, value: Any, library: bool) -> Any:
        """What a name means; of a library's code only which function it is."""
        if type(value) in PLAIN:
            return value
        if library and not isinstance(value, FunctionType):
            return type(value)
        return self.value(value)

    def value(self, value: Any, deep: int = _DEEP) -> Any:
        """Anything, by its contents where these are plain, else by being the same object."""
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is tuple and PLAIN.issuperset(map(type, value)):
            return value
        if kind is FunctionType:
            value = as_written(value)
            if not by_library(value) or value.__closure__:
                self.function(value)
            return ref(value)
        if isinstance(value, nn.Module):
            self.add(modules_of(value))
            return ref(value)
        if isinstance(value, Tensor):
            whole = not (value.is_floating_point() or isinstance(value, nn.Parameter))
            return "tensor", value.shape, contents(value) if whole else None
        if isinstance(value, type):
            if not is_library(value.__module__):
                self.kind(value)
            return ref(value)
        if deep == 0:
            return kind
        if isinstance(value, tuple | list | deque):
            inner = [self.value(one, deep - 1) for one in list(value)[:_LONG]]
            return kind, len(value), inner
        if isinstance(value, Mapping):
            inner = [(self.value(k, 1), self.value(v, deep - 1)) for k, v in value.items()]
            return kind, inner[:_LONG]
        return self.other(value, kind, deep)

    def other(self, value: Any, kind: type, deep: int) -> Any:
        if isinstance(value, set | frozenset):
            plain = all(type(one) in PLAIN for one in value)
            return kind, frozenset(value) if plain else len(value)
        if isinstance(value, MethodType):
            return self.value(value.__func__), self.value(value.__self__, 1)
        if isinstance(value, partial):
            return [self.value(one, deep) for one in (value.func, value.args, value.keywords)]
        if isinstance(value, np.ndarray | np.generic):
            return kind, value.shape, hash(value.tobytes()) if value.nbytes < MOST_HASHED else 0
        if isinstance(value, BuiltinFunctionType | ModuleType):
            return same(value)
        own = getattr(value, "__dict__", None)
        if not isinstance(own, dict):
            return same(value)
        if id(value) in self.met or self.objects >= _MOST_OBJECTS:
            return same(value)
        self.met.add(id(value))
        self.objects += 1
        if not is_library(kind.__module__):
            self.kind(kind)
        return kind, {name: self.value(one, deep - 1) for name, one in own.items()}
