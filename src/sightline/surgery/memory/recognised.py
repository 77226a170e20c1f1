"""Modules and classes that are told of once, and recognised for as long as they hold the same.

The state of a model is read at every call. Most of it is PyTorch's own modules with numbers for
settings, and their classes: that nothing in these was exchanged is seen by rows of addresses.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import is_, itemgetter
from types import FunctionType
from typing import Any
from weakref import ref

import torch
from torch import nn

from sightline.surgery.memory.code_of import by_library, is_named_by_its_module
from sightline.surgery.memory.counted import MADE_BY_TORCH

PLAIN = frozenset({type(None), bool, int, float, str, complex, bytes, torch.dtype, torch.device})


@dataclass(frozen=True)
class PlainModule:
    """A module whose settings are all plain: how many names it has, what takes its settings, these,
    and what is told of it for as long as they are the same objects.
    """

    module: Any
    names: int
    take: Callable[[Any], Any]
    values: Sequence[Any]
    found: dict[Hashable, Any]


plain_modules: dict[int, PlainModule] = {}
"""By their addresses."""


def keep_module(
    module: nn.Module,
    take: Callable[[Any], Any],
    values: Sequence[Any],
    found: dict[Hashable, Any],
) -> None:
    """Recognise a module from here on, for as long as it lives."""
    key = id(module)
    there = ref(module, lambda _: plain_modules.pop(key, None))
    plain_modules[key] = PlainModule(there, len(module.__dict__), take, values, found)


@lru_cache(maxsize=4096)
def settings_in(own: tuple[str, ...]) -> tuple[tuple[str, ...], Callable[[Any], Any]]:
    """Which of the names in a module are settings, and what takes their values.

    >>> names, take = settings_in(tuple(vars(nn.Dropout(0.5))))
    >>> names, take(vars(nn.Dropout(0.25)))
    (('p', 'inplace'), (0.25, False))
    """
    names = tuple(name for name in own if name not in MADE_BY_TORCH)
    # With one name or none, `itemgetter` returns no tuple.
    return names, itemgetter(*names) if len(names) > 1 else lambda of: [of[one] for one in names]


@lru_cache(maxsize=4096)
def not_plain(types: tuple[type, ...]) -> tuple[int, ...]:
    """At which places something stands that is more than a number or a word.

    >>> not_plain((int, list, str))
    (1,)
    """
    return tuple(k for k, one in enumerate(types) if one not in PLAIN)


@dataclass(frozen=True)
class LibraryClass:
    """All that a class of a library holds, the functions among that, and those looked into."""

    there: list[Any]
    functions: dict[Hashable, Any]
    looked_into: list[FunctionType]


_classes: dict[type, LibraryClass] = {}
"""Of classes that live as long as the process does."""


def library_class(kind: type) -> LibraryClass:
    """Of a class that somebody installed which functions are in it, and which are looked into.

    Not each function is asked whether it is the same, but all together: PyTorch's root of all
    modules holds 170 things.

    >>> library_class(nn.ReLU) is library_class(nn.ReLU), library_class(nn.ReLU).looked_into
    (True, [])
    """
    known, there = _classes.get(kind), vars(kind).values()
    if known is None or len(known.there) != len(there) or not all(map(is_, known.there, there)):
        known = _looked_through(kind)
        if is_named_by_its_module(kind):
            _classes[kind] = known
    return known


def _looked_through(kind: type) -> LibraryClass:
    there = list(vars(kind).values())
    functions = [one for one in there if type(one) is FunctionType]
    runs = "forward" in vars(kind) and not kind.__module__.startswith("torch.")
    looked_into = [one for one in functions if runs or not by_library(one)]
    return LibraryClass(there, {"functions": list(map(ref, functions))}, looked_into)
