"""Operators' arguments: nests of lists, tuples and mappings."""

from collections.abc import Callable, Iterator
from typing import Any


def mapped(value: Any, function: Callable[[Any], Any], kind: type) -> Any:
    """The same nest with everything of one kind exchanged.

    >>> mapped([1, (2, {"a": 3.0})], lambda n: -n, int)
    [-1, (-2, {'a': 3.0})]
    """
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, tuple | list):
        return type(value)([mapped(part, function, kind) for part in value])
    if isinstance(value, dict):
        return {name: mapped(part, function, kind) for name, part in value.items()}
    return value


def found_in(value: Any, kind: type) -> Iterator[Any]:
    """Everything of one kind in a nest.

    >>> list(found_in([1, (2, {"a": 3.0})], int))
    [1, 2]
    """
    if isinstance(value, kind):
        yield value
    elif isinstance(value, tuple | list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from found_in(part, kind)
