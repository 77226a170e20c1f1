"""Where the places of a layer lie on the picture, read off the graph that autograd recorded.

Behind a chain of operators that say where a place of their output lies on their input (`steps.py`)
the pixel of a place is a u + b, and the whole is known without a number being computed. Where
something else lies on the way (attention, a window, a sort), this says so, and measuring decides.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction

from sightline.surgery.place.steps import (
    ELEMENTWISE,
    RULES,
    VIEWS,
    Track,
    Tracks,
    UnknownStep,
    name_of,
)


def tracks(node: Tensor, leaf: Tensor, axes: Sequence[int]) -> list[Tracks]:
    """How the `axes` of a tensor lie on the leaf of its graph, once for each essentially other way.

    Nothing where no way leads there. Raises `UnknownStep` with the name of an operator that is not
    known to be local.

    >>> import torch
    >>> x = torch.rand(1, 3, 16, 16, requires_grad=True)
    >>> y = torch.nn.functional.avg_pool2d(x.flip(3), 4)
    >>> tracks(y, x, (2, 3))[0][1]
    Track(axis=3, scale=-4.0, low=16.0, high=16.0)
    """
    start = tuple(Track(axis) for axis in axes)
    if node is leaf:
        return [start]
    held: dict[Any, dict[Any, Tracks]] = {node.grad_fn: {_kind(start): start}}
    found: dict[Any, Tracks] = {}
    way = _way(node.grad_fn, leaf)
    for step in way:
        for state in held.pop(step, {}).values():
            if not step.next_functions:
                _put(found, state)
                continue
            for child, seen in _earlier(step, state, way):
                _put(held.setdefault(child, {}), seen)
    return list(found.values())


def _kind(state: Tracks) -> Any:
    return tuple((track.axis, round(track.scale, 6)) for track in state)


def _put(states: dict[Any, Tracks], state: Tracks) -> None:
    """Beside a way that differs in the offset alone, the two are one that is less certain."""
    known = states.get(_kind(state), state)
    states[_kind(state)] = tuple(
        replace(one, low=min(one.low, other.low), high=max(one.high, other.high))
        for one, other in zip(known, state, strict=True)
    )


def _way(root: Any, leaf: Tensor) -> dict[Any, None]:
    """Every node that leads to the leaf, each after all that it feeds."""
    order: list[Any] = []
    seen, stack = {root}, [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            stack.pop()
            order.append(node)
    leading: set[Any] = set()
    for node in order:
        if getattr(node, "variable", None) is leaf or _among(node, leading):
            leading.add(node)
    return dict.fromkeys(node for node in order[::-1] if node in leading)


def _among(node: Any, nodes: Container[Any]) -> list[tuple[Any, int]]:
    """Those of what an operator was given that belong to some nodes: weights do not."""
    return [(child, output) for child, output in node.next_functions if child in nodes]


def _earlier(node: Any, state: Tracks, way: Container[Any]) -> Iterator[tuple[Any, Tracks]]:
    """What made the tensors that went into an operator, and where the places lie on them."""
    name, shape = name_of(node), _shape(node, 0)
    if name in VIEWS and (entered := _linear(node, shape, state, way)) is not None:
        yield entered, state
        return
    rule = RULES.get(name)
    if rule is None or isinstance(node, BackwardCFunction):  # of somebody's own, whatever its name
        raise UnknownStep(name)
    for child, output in _among(node, way):
        if not _one_for_all(shape, _shape(child, output), state, name):
            yield child, rule(node, state, _shape(child, output), shape)


def _linear(node: Any, shape: tuple[int, ...], state: Tracks, way: Container[Any]) -> Any:
    """What went into a linear layer over the last axis: to autograd a product between two views.

    The matrix is the same for all pictures: one that was made of them is no layer's.
    """
    product = node.next_functions[0][0]
    name = None if product is None else name_of(product)
    if name not in ("Mm", "Addmm"):
        return None
    rows = product.next_functions[name == "Addmm"]
    if _among(product, way) != [rows] or name_of(rows[0]) not in VIEWS:
        return None
    child, output = rows[0].next_functions[0]
    if any(track.axis == len(shape) - 1 for track in state):
        return None
    return child if _shape(child, output)[:-1] == shape[:-1] else None


def _shape(node: Any, output: int) -> tuple[int, ...]:
    """The shape of what an operator returned; a leaf comes out of the node that gathers for it."""
    variable = getattr(node, "variable", None)
    return tuple(variable.shape if variable is not None else node._input_metadata[output].shape)


def _one_for_all(
    shape: tuple[int, ...], entered: tuple[int, ...], state: Tracks, name: str
) -> bool:
    """Whether what entered is one value for all places: a gate, a bias, a class's own weight."""
    if name not in ELEMENTWISE:
        return False
    missing = len(shape) - len(entered)
    sizes = [entered[track.axis - missing] if track.axis >= missing else 1 for track in state]
    return all(size == 1 for size in sizes) and any(shape[track.axis] > 1 for track in state)
