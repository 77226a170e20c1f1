"""What a run may write onto a model's modules: their attributes, buffers, and what is in them.

A run works on copies. Each module gets a copy of its `__dict__` and of the tables of parameters,
buffers and sub-modules in it, and afterwards its own back: nothing was written to that, and nothing
has to be looked for. That is cheap (half a microsecond a module) and sure for what is replaced,
added or taken away. What is written *into* is looked for where code of others than PyTorch runs:

- tensors and arrays in buffers, attributes and containers are copied, too. So it does not matter
  whether a kernel, `.data` or NumPy writes without counting a version, and a graph keeps the copy;
- lists, dicts, sets, deques, byte arrays and namespaces that are attributes stay the same objects,
  since hooks may hold them, and get back what was in them; those within them, too, where they are
  short, and no deeper than three;
- a parameter whose `data` was exchanged gets it back;
- hooks that a forward put on are taken off: a model that hooks itself at its first run, and notes
  in an attribute that it has, would else do it again.

Not put back is what is dear or somebody else's: numbers written into parameters, which are the bulk
of a model (a forward that writes them trains it), and the inside of any other object.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterable
from operator import is_
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Own = dict[str, Any]

Left = tuple[nn.Module, Own, Own]
"""A module, its own attributes, and those that it had while it ran."""

_MADE_BY_TORCH = frozenset(nn.Module().__dict__)
_HOLDERS = frozenset(
    (dict, OrderedDict, defaultdict, Counter, list, deque, set, bytearray, SimpleNamespace)
)
_WRITTEN_INTO = frozenset((Tensor, np.ndarray))
"""By their very kind: a subclass may do anything when it is copied, and a parameter is one."""

_HOOKS = (
    "_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called",
    "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_backward_hooks",
    "_backward_pre_hooks",
)  # fmt: skip
"""The tables of them in every module."""
_SHORT, _DEEP = 64, 3
_NOTHING = object()


class Attributes:
    """Copies of modules' attributes to run with; `restore` gives the modules their own back.

    `left` is then what the run has left, for `leave`.
    """

    def __init__(self) -> None:
        self.left: list[Left] = []
        self._holders: list[tuple[Any, Any]] = []
        self._weights: list[tuple[nn.Parameter, Tensor]] = []
        self._odd: list[tuple[Tensor, int, Tensor]] = []
        self._hooks: dict[int, Own] = {}
        self._copies: dict[int, Any] = {}

    def copy(
        self,
        modules: Iterable[nn.Module],
        plain: Collection[type] = (),
        norms: Collection[type] = (),
        *,
        weights: bool = True,
    ) -> None:
        """From here on the modules have copies.

        `plain` are kinds of modules that hold nothing that could be written into, but for buffers,
        and `norms` kinds that leave their buffers alone. `weights` tells that a parameter's `data`
        may be exchanged.
        """
        for module in modules:
            own = module.__dict__
            if "_initialize_hook" in own:
                continue  # a lazy layer, which its first run finishes for good
            run = own.copy()
            if parameters := own["_parameters"]:
                run["_parameters"] = parameters.copy()
            if children := own["_modules"]:
                run["_modules"] = children.copy()
            if any(map(own.__getitem__, _HOOKS)):
                self._hooks[id(own)] = {name: own[name].copy() for name in _HOOKS}
            kind = type(module)
            if own["_buffers"] and kind not in norms:
                run["_buffers"] = self._buffers(own["_buffers"])
            if kind not in plain:
                self._look_into(run)
                if weights and parameters:
                    own_kind = (one for one in parameters.values() if type(one) is nn.Parameter)
                    self._weights.extend((one, one.data) for one in own_kind)
            self.left.append((module, own, run))
            # Not by `setattr`, which looks for parameters first.
            object.__setattr__(module, "__dict__", run)

    def restore(self) -> None:
        """Every module with its own attributes, every container with what was in it."""
        for module, own, _ in self.left:
            object.__setattr__(module, "__dict__", own)
            if any(map(own.__getitem__, _HOOKS)) or id(own) in self._hooks:
                before = self._hooks.get(id(own), {})
                for name in _HOOKS:
                    _restore_contents(own[name], before.get(name, {}))
        for holder, before in self._holders:
            _restore_contents(holder, before)
        for weight, data in self._weights:
            if weight.data_ptr() != data.data_ptr():
                weight.data = data
        for tensor, version, values in self._odd:
            if tensor._version != version:
                with torch.no_grad():
                    tensor.copy_(values)

    def _buffers(self, own: Own) -> Own:
        buffers, copies = own.copy(), self._copies
        for name, buffer in own.items():
            if type(buffer) is Tensor and not buffer.requires_grad:
                copy = copies.get(id(buffer))
                if copy is None:
                    copy = copies[id(buffer)] = buffer.clone()
                buffers[name] = copy
            elif buffer is not None:
                self._odd.append((buffer, buffer._version, buffer.detach().clone()))
        return buffers

    def _look_into(self, run: Own) -> None:
        """Copies of what can be written into, for a module with code of somebody's own."""
        for name, value in run.items():
            kind = type(value)
            if kind in _WRITTEN_INTO:
                run[name] = self._copy(value)  # the name is there: the order stays
            elif kind in _HOLDERS and name not in _MADE_BY_TORCH:
                self._hold(value, _DEEP)

    def _hold(self, holder: Any, deep: int) -> None:
        """A container, and what is in it that can be written into."""
        if id(holder) in self._copies:
            return
        self._copies[id(holder)] = holder
        kind = type(holder)
        if kind is SimpleNamespace:
            holder, kind = holder.__dict__, dict
        self._holders.append((holder, holder.copy()))
        if len(holder) > _SHORT or not deep or kind in (set, bytearray):
            return
        for key, value in _entries(holder):
            if type(value) in _WRITTEN_INTO:
                holder[key] = self._copy(value)
            elif type(value) in _HOLDERS:
                self._hold(value, deep - 1)

    def _copy(self, value: Any) -> Any:
        """The same copy wherever the same object is held; what has a graph stays itself."""
        found = self._copies.get(id(value))
        if found is None:
            if isinstance(value, np.ndarray):
                found = value.copy()
            else:
                found = value if value.requires_grad else value.clone()
            self._copies[id(value)] = found
        return found


def leave(left: Iterable[Left]) -> None:
    """Give modules once more what a run left in their attributes.

    Parts of a model run again on the way back, and may count on what the others have told them
    before (`block.H = h`); a target may read what the model keeps.
    """
    for module, own, run in left:
        there = module.__dict__
        for name, value in run.items():
            if name not in _MADE_BY_TORCH and own.get(name, _NOTHING) is not value:
                there[name] = value


def _restore_contents(holder: Any, before: Any) -> None:
    """A container with what was in it, if something else is in it now."""
    if isinstance(holder, set | bytearray):
        same = holder == before
    else:
        same = len(holder) == len(before) and all(map(is_, holder, before))
        if isinstance(holder, dict):
            same = same and all(map(is_, holder.values(), before.values()))
    if same:
        return
    holder.clear()
    holder.update(before) if isinstance(holder, dict | set) else holder.extend(before)


def _entries(holder: Any) -> Iterable[tuple[Any, Any]]:
    return holder.items() if isinstance(holder, dict) else enumerate(holder)
