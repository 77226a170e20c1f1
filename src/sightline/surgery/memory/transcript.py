"""What a model is made of, read to the letter: the same digest in each process, or none at all.

Counted is all that decides where places lie: each module's class with its code, settings, shapes,
buffers, hooks, and what the code names. Not counted are weights. What cannot be read (a function
of somebody's own in C, an object without anything to see) ends it: who has no digest is not found
again, and nothing false is.
"""

import enum
import logging
import re
import threading
from collections import deque
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    NoneType,
    NotImplementedType,
    SimpleNamespace,
)
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sightline.surgery.harness.fallback import Foreseen
from sightline.surgery.harness.supported import modules_of
from sightline.surgery.memory.code_of import home, is_library
from sightline.surgery.memory.counted import HOOKS, counts, settings_of

_PLAIN = (NoneType, bool, int, float, complex, str, EllipsisType, NotImplementedType)
_BY_NAME = (torch.dtype, torch.device, torch.memory_format, torch.layout, PurePath, range, slice)
_LOCK = type(threading.Lock()), type(threading.RLock())
_NO_PART = (*_LOCK, threading.local, logging.Logger, GetSetDescriptorType, MemberDescriptorType)
"""Of no consequence for where a place lies: only that it is there."""

_MOST_BYTES = 64 << 20
_MOST_WORDS = 400_000


class UnreadableError(Foreseen):
    """Something that may decide a place and cannot be read, in words."""


class Transcript:
    """A digest that is fed with values, each of them read as deep as it goes.

    >>> one, other = Transcript(), Transcript()
    >>> one.read({"scale": (1, 2)})
    >>> other.read({"scale": (1, 3)})
    >>> one.digest == other.digest
    False
    """

    def __init__(self) -> None:
        self._hash, self._words = sha256(), 0
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []
        self.samples = False
        self.opened: set[tuple[ModuleType, tuple[str, ...]]] = set()

    @property
    def digest(self) -> str:
        """Of all that was read so far."""
        return self._hash.hexdigest()

    def say(self, word: str, content: bytes | str = b"") -> None:
        """One word; its length goes before its content, so that no two sayings are the same."""
        self._words += 1
        if self._words > _MOST_WORDS:
            raise UnreadableError("more than can be read in short time")
        content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self._hash.update(f"{word} {len(content)} ".encode())
        self._hash.update(content)

    def met(self, value: Any) -> bool:
        """Whether something was read before: then it is said which, and it is not read again."""
        number = self._met.setdefault(id(value), len(self._met))
        if number < len(self._kept):
            self.say("again", str(number))
            return True
        self._kept.append(value)  # so that its address stays its own
        return False

    def read(self, value: Any) -> None:
        """Anything; raises `UnreadableError`."""
        kind = type(value)
        if kind in _PLAIN:
            self.say(kind.__name__, repr(value))
        elif kind is bytes:
            self.say("bytes", value)
        elif isinstance(value, _NO_PART):
            self.say("no part", kind.__name__)
        elif isinstance(value, torch.Size):
            self.say("size", repr(tuple(value)))
        elif isinstance(value, _BY_NAME):
            self.say(kind.__name__, repr(value))
        elif isinstance(value, enum.Enum):
            self.say("enum", f"{kind.__module__}.{kind.__qualname__}.{value.name}")
        elif isinstance(value, re.Pattern):
            self.say("pattern", repr((value.pattern, value.flags)))
        elif isinstance(value, np.generic):
            self.say("number", f"{kind.__name__} {value!r}")
        elif kind is frozenset or kind is set:
            self._set(value)
        elif not self.met(value):
            self._read_once(value, kind)

    def _read_once(self, value: Any, kind: type) -> None:
        from sightline.surgery.memory import transcript_of_code as of_code  # reads values in turn

        if isinstance(value, nn.Module):
            self.model(value)
        elif isinstance(value, CodeType):
            of_code.read_code(self, value)
        elif isinstance(value, FunctionType):
            of_code.read_function(self, value)
        elif isinstance(value, type):
            of_code.read_class(self, value)
        elif isinstance(value, MethodType):
            self.say("method")
            self.read(value.__func__)
            self.read(value.__self__)
        elif isinstance(value, BuiltinFunctionType):
            self._builtin(value)
        elif isinstance(value, ModuleType):
            self.say("import", value.__name__)
        elif isinstance(value, Tensor):
            self.tensor(value, contents=not isinstance(value, nn.Parameter))
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif isinstance(value, partial):
            self.say("partial")
            for one in (value.func, value.args, value.keywords):
                self.read(one)
        elif isinstance(value, tuple | list | deque):
            self.say("row", f"{kind.__qualname__} {len(value)}")
            for one in value:
                self.read(one)
        elif isinstance(value, Mapping | MappingProxyType):
            self.items(kind.__qualname__, dict(value))
        else:
            self._object(value, kind)

    def items(self, word: str, values: Mapping[Any, Any]) -> None:
        """Names and values, in their order."""
        self.say("items", f"{word} {len(values)}")
        for name, value in values.items():
            self.read(name)
            self.read(value)

    def _set(self, values: Any) -> None:
        # Its order is another one in each process.
        digests = []
        for one in values:
            alone = Transcript()
            alone.read(one)
            digests.append(alone.digest)
        self.say("set", " ".join(sorted(digests)))

    def _builtin(self, value: BuiltinFunctionType) -> None:
        owner = value.__self__
        if not is_library(home(value)):
            raise UnreadableError(f"{value.__qualname__} is written in C")
        self.say("builtin", f"{home(value)} {value.__qualname__}")
        if owner is not None and not isinstance(owner, ModuleType):
            self.read(owner)

    def _array(self, value: Any) -> None:
        if value.dtype.hasobject or value.nbytes > _MOST_BYTES:
            raise UnreadableError("an array of objects, or a very large one")
        self.say("array", f"{value.dtype} {value.shape}")
        self.say("numbers", value.tobytes())

    def tensor(self, value: Tensor, *, contents: bool) -> None:
        """Shape and dtype, and where its `contents` decide the numbers too."""
        self.say("tensor", f"{type(value).__qualname__} {value.dtype} {tuple(value.shape)}")
        if contents:
            self.say("numbers", numbers(value))

    def _object(self, value: Any, kind: type) -> None:
        from torch._ops import OpOverload, OpOverloadPacket

        if isinstance(value, OpOverload | OpOverloadPacket):
            self.say("operator", str(value))
            return
        own = getattr(value, "__dict__", None)
        slots = [name for one in kind.__mro__ for name in _slots(one) if hasattr(value, name)]
        if not isinstance(own, dict) or (kind.__module__ == "builtins"):
            if not slots:
                raise UnreadableError(f"a {kind.__module__}.{kind.__qualname__}")
            own = {}
        self.say("object")
        if kind is not SimpleNamespace:
            self.read(kind)
        self.items("own", settings_of(own, kind))
        self.items("slots", {name: getattr(value, name) for name in slots})

    def model(self, model: nn.Module) -> None:
        """A network with all its modules, each once."""
        modules = [one for one in modules_of(model) if one is model or not self.met(one)]
        self.say("model", str(len(modules)))
        for module in modules:
            self._module(module)

    def _module(self, module: nn.Module) -> None:
        own, kind = module.__dict__, type(module)
        if any(map(is_lazy, [*own["_parameters"].values(), *own["_buffers"].values()])):
            raise UnreadableError("a weight that has no shape yet")
        self.say("module")
        self.read(kind)
        for name, child in own["_modules"].items():
            self.read(name)
            self.read(child)
        for name, weight in own["_parameters"].items():
            self.read(name)
            self.read(None) if weight is None else self.tensor(weight, contents=False)
        for name, buffer in own["_buffers"].items():
            self.read(name)
            if buffer is None:
                self.read(None)
            else:
                self.tensor(buffer, contents=counts(module, name, buffer))
        for name in HOOKS:
            if own.get(name):
                self.say("hooks", name)
                for hook in own[name].values():
                    self.read(hook)
        self.items("settings", settings_of(own, kind))


def _slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__", ())
    names = (names,) if isinstance(names, str) else tuple(names)
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))


def numbers(tensor: Tensor) -> bytes:
    """The numbers of a tensor as bytes; `UnreadableError` where there are none, or too many."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        raise UnreadableError("a tensor whose numbers do not lie in rows")
    if tensor.numel() * tensor.element_size() > _MOST_BYTES:
        raise UnreadableError("a very large tensor")
    try:
        rows = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return rows.numpy().tobytes()
    except (RuntimeError, TypeError) as error:
        raise UnreadableError("a tensor of a kind of its own") from error
