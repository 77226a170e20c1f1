"""A copy of a model, also of one that `copy.deepcopy` cannot copy.

Locks, files, generators, features kept with their graph, modules that forbid it: a model may hold
what cannot be copied. Then module after module is copied here, and attribute after attribute; what
cannot be is held by both, since nothing else can be done, and the log says what that is.
"""

import copy
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sightline.surgery.harness.fallback import first_line

logger = logging.getLogger(__name__)

Memo = dict[int, Any]


def copied(
    model: nn.Module, parameter: Callable[[nn.Parameter], nn.Parameter] | None = None
) -> nn.Module:
    """New modules, each once however often it is held; `parameter` makes their parameters.

    By default these are copies. Buffers are copied, hooks go along.

    >>> import threading, torch
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> net.lock, net.first = threading.Lock(), net[0]
    >>> twin = copied(net)
    >>> twin[0] is net[0], twin.first is twin[0], twin.lock is net.lock
    (False, True, True)
    >>> torch.equal(twin[0].weight, net[0].weight), twin[0].weight is net[0].weight
    (True, False)
    """
    memo: Memo = (
        {} if parameter is None else {id(own): parameter(own) for own in model.parameters()}
    )
    try:
        return copy.deepcopy(model, dict(memo))
    except Exception as error:  # whatever an object of somebody's own may raise
        logger.debug("a %s is copied in parts: %s", type(model).__name__, first_line(error))
    return _in_parts(model, memo)


def _in_parts(model: nn.Module, memo: Memo) -> nn.Module:
    """Module after module, attribute after attribute."""
    modules = list(model.modules())
    for module in modules:
        # All are there before the first attribute is copied, which may hold any of them. Not made
        # in their own ways of being copied: one of these has failed.
        memo[id(module)] = object.__new__(type(module))
    for module in modules:
        for own in (*module._parameters.values(), *module._buffers.values()):
            if own is not None and id(own) not in memo:
                memo[id(own)] = _tensor(own)
    for module in modules:
        twin = memo[id(module)].__dict__
        for name, value in module.__dict__.items():
            twin[name] = _attribute(f"{type(module).__name__}.{name}", value, memo)
    found: nn.Module = memo[id(model)]
    return found


def _tensor(own: Tensor) -> Tensor:
    values = own.detach().clone()
    return nn.Parameter(values, own.requires_grad) if isinstance(own, nn.Parameter) else values


def _attribute(name: str, value: Any, memo: Memo) -> Any:
    """A copy; of a container that cannot be copied, entry by entry; else the value itself."""
    if type(value) in _NEVER_WRITTEN:
        return value
    if id(value) in memo:
        return memo[id(value)]
    trial = dict(memo)  # what fails half-way must not be found by the next
    try:
        found = copy.deepcopy(value, trial)
    except Exception as error:  # whatever an object of somebody's own may raise
        return _entries(name, value, memo, error)
    memo.update(trial)
    return found


def _entries(name: str, value: Any, memo: Memo, error: Exception) -> Any:
    found = memo[id(value)] = type(value)() if type(value) in _HOLDERS else value
    if isinstance(value, dict) and found is not value:
        found.update({key: _attribute(f"{name}[{key!r}]", one, memo) for key, one in value.items()})
    elif found is not value:
        found.extend(_attribute(f"{name}[{k}]", one, memo) for k, one in enumerate(value))
    else:
        logger.debug("the copy and the model share %s: %s", name, first_line(error))
    return found


_NEVER_WRITTEN = (bool, int, float, str, bytes, type(None), type)
_HOLDERS = (list, dict, OrderedDict)
