"""What was found out of a model once, kept for as long as the model stays what it was."""

import weakref
from collections.abc import Callable, Hashable
from typing import Any

from torch import nn

from sightline.surgery.harness.given import Given
from sightline.surgery.place.fingerprint import made_and_hooked

_remembered: "weakref.WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Hashable, Any]]]"
_remembered = weakref.WeakKeyDictionary()


def remembered(given: Given, about: Hashable, find: Callable[[], Any]) -> Any:
    """What `find` finds, for this model and inputs of this shape; found once.

    >>> import torch
    >>> net, found = nn.ReLU(), []
    >>> for size in (4, 4, 5):
    ...     given = Given.of(net, torch.rand(1, 3, size, size))
    ...     _ = remembered(given, "size", lambda: found.append(size))
    >>> found
    [4, 5]
    """
    known = _remembered.setdefault(given.model, {})
    key = about, _arguments(given)
    if key not in known or known[key][0] != made_and_hooked(given.model):
        found = find()
        # Read behind the search, since some models are finished at their first run.
        known[key] = made_and_hooked(given.model), found
    return known[key][1]


def _arguments(given: Given) -> Hashable:
    """Of the arguments whatever a model may go by: shapes, names, flags and numbers."""
    shapes = tuple((tuple(tensor.shape[1:]), tensor.dtype) for tensor in given.tensors)
    plain = (bool, int, float, str)
    words = tuple(one for one in (*given.args, *given.kwargs.values()) if isinstance(one, plain))
    return given.axes, shapes, tuple(given.kwargs), words
