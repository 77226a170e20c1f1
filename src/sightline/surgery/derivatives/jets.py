r"""Derivatives of order one to three at once, carried forward through operators (Taylor mode).

A jet is a tensor that moves: $x(t) = x_0 + x_1 t + x_2 t^2 + x_3 t^3$. An operator makes a jet of
jets, and the coefficients of the last one are the score's derivatives along the direction in which
the first was set moving, divided by n!. What does not move is not computed with: behind the first
operators, in an affine part of a network, it is $(x_0, x_1)$ and nothing else. The rules are one
each for what is linear, what is a product, what acts on each number by itself, softmax, and norms;
for the rest torch is asked.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp

from sightline.surgery.derivatives.nests import found_in, mapped
from sightline.surgery.harness.fallback import NoRule

ORDER = 3

Coefficients = list[Tensor | None]
"""Of one order after another; None is an exact zero."""


class Jet:
    """Taylor coefficients of a tensor, `moves[0]` the value; None is an exact zero."""

    def __init__(self, value: Any, *moves: Any) -> None:
        self.moves: list[Tensor | None] = [value, *moves, *[None] * (ORDER - len(moves))]

    @property
    def value(self) -> Tensor:
        """Where the tensor stands at t = 0."""
        assert self.moves[0] is not None
        return self.moves[0]

    def linear(self, function: Callable[[Tensor], Tensor]) -> "Jet":
        """The jet of a linear function of this one."""
        return Jet(
            function(self.value),
            *[None if one is None else function(one) for one in self.moves[1:]],
        )

    def plus(self, other: Tensor | None) -> "Jet":
        """With a constant added that changes no shape."""
        return self if other is None else Jet(self.value + other, *self.moves[1:])


def value_of(x: Any) -> Tensor:
    """Where a jet stands at t = 0; a tensor as it is."""
    value: Tensor = x.value if isinstance(x, Jet) else x
    return value


def constant(x: Any) -> Any:
    """What must not move, as a weight does not."""
    if isinstance(x, Jet):
        raise NoRule("a constant of an operator moves, for which there is no rule")
    return x


def linear(function: Callable[[Tensor], Tensor], x: Any) -> Any:
    """A linear function of one."""
    return x.linear(function) if isinstance(x, Jet) else function(x)


def plus(x: Any, added: Tensor | None) -> Any:
    """With a constant added that changes no shape."""
    if isinstance(x, Jet):
        return x.plus(added)
    return x if added is None else x + added


def all_orders(op: Any, *args: Any, **kwargs: Any) -> Any:
    """An operator that is linear in all its jets at once: it is applied to one order after another.

    Concatenation, selection, resizing, means.
    """
    found: list[Any] = []
    for order in range(ORDER + 1):
        if order and all(jet.moves[order] is None for jet in found_in((args, kwargs), Jet)):
            found.append(None)
            continue

        def moved(jet: Jet, order: int = order) -> Tensor:
            one = jet.moves[order]
            return torch.zeros_like(jet.value) if one is None else one

        rest = args, kwargs
        if order:  # what stands still beside it, a class token say, is no part of what moves
            rest = mapped(
                rest, lambda one: torch.zeros_like(one) if one.is_floating_point() else one, Tensor
            )
        found.append(op(*mapped(rest[0], moved, Jet), **mapped(rest[1], moved, Jet)))
    if not isinstance(found[0], tuple | list):
        return Jet(found[0], *found[1:])
    parts = [
        [None if one is None else one[index] for one in found] for index in range(len(found[0]))
    ]
    return [Jet(value, *moves) for value, *moves in parts]


def product(function: Callable[[Any, Any], Tensor], x: Any, y: Any) -> Any:
    """Linear in each of two: z_n is the sum of x_i y_(n-i)."""
    if not isinstance(x, Jet) and not isinstance(y, Jet):
        return function(x, y)
    one, other = [jet.moves if isinstance(jet, Jet) else [jet, *[None] * ORDER] for jet in (x, y)]
    found: list[Tensor | None] = []
    for order in range(ORDER + 1):
        pairs = [(one[i], other[order - i]) for i in range(order + 1)]
        found.append(total(*[function(a, b) for a, b in pairs if a is not None and b is not None]))
    return Jet(*found)


def along(function: Callable[[Tensor], Tensor], x: Any, pieces: bool = False) -> Any:
    """Each number by itself. Its derivatives are torch's, taken once for all directions.

    `pieces` says that it is made of straight pieces: then there is only the first.
    """
    if not isinstance(x, Jet):
        return function(x)
    derivatives = derivatives_of(function, x.value, 1 if pieces else ORDER)
    x1, x2, x3 = x.moves[1:]
    y0, d1 = derivatives[:2]
    if pieces:
        return Jet(y0, *[None if one is None else d1 * one for one in (x1, x2, x3)])
    d2, d3 = derivatives[2:]
    if x1 is None:
        return Jet(y0, None, total(times(d1, x2)), total(times(d1, x3)))
    return Jet(
        y0,
        d1 * x1,
        total(times(d1, x2), d2 * (x1 * x1) / 2),
        total(times(d1, x3), None if x2 is None else d2 * (x1 * x2), d3 * (x1 * x1 * x1) / 6),
    )


def derivatives_of(function: Callable[[Tensor], Tensor], x: Tensor, order: int) -> list[Tensor]:
    """A function of each number by itself, and its derivatives."""
    ones = torch.ones_like(x)

    def slope(inner: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda at: jvp(inner, (at,), (ones,))[1]

    found, functions = [function(x)], [function]
    for _ in range(order):
        functions.append(slope(functions[-1]))
        found.append(functions[-1](x))
    return found


def by_torch(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Any operator: the path t -> op(x(t)), differentiated three times by torch."""
    several = False

    def path(t: Tensor) -> tuple[Tensor, ...]:
        nonlocal several

        def at(jet: Jet) -> Tensor:
            x1, x2, x3 = (
                torch.zeros_like(jet.value) if one is None else one for one in jet.moves[1:]
            )
            return jet.value + t * (x1 + t * (x2 + t * x3))

        found = op(*mapped(args, at, Jet), **mapped(kwargs, at, Jet))
        several = isinstance(found, tuple | list)
        return tuple(found) if several else (found,)

    def slope(inner: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        return lambda t: jvp(lambda u: floats(inner(u)), (t,), (torch.ones_like(t),))[1]

    def floats(outs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(one for one in outs if one.is_floating_point())

    any_jet = next(found_in((args, kwargs), Jet))
    t = torch.zeros((), dtype=any_jet.value.dtype, device=any_jet.value.device)
    y0 = path(t)
    y1 = slope(path)
    y2 = slope(y1)
    y3 = slope(y2)
    derivatives = zip(y1(t), y2(t), y3(t), strict=True)  # of the floating point outputs only
    out: list[Any] = []
    for one in y0:
        if one.is_floating_point():
            d1, d2, d3 = next(derivatives)
            out.append(Jet(one, d1, d2 / 2, d3 / 6))
        else:
            out.append(one)
    return out if several else out[0]


def softmax(x: Any, dim: int) -> Any:
    """Softmax along an axis."""
    if not isinstance(x, Jet):
        return x.softmax(dim)
    y, above, below = softmax_parts(x, dim)
    found: Coefficients = [y]
    for order in range(ORDER):  # y times its denominator is its numerator
        less = [minus(found[order - i], below[i]) for i in range(order + 1)]
        found.append(total(above[order], *less))
    return Jet(*found)


def softmax_parts(x: Jet, dim: int) -> tuple[Tensor, Coefficients, Coefficients]:
    """The probabilities p, and the Taylor coefficients of p exp(x - x_0) and of their sum."""
    p = x.value.softmax(dim)
    x1, x2, x3 = x.moves[1:]
    u1, u2, u3 = x1, x2, x3
    if x1 is not None:
        u2, u3 = (
            total(x2, x1 * x1 / 2),
            total(x3, None if x2 is None else x1 * x2, x1 * x1 * x1 / 6),
        )
    above = [times(p, one) for one in (u1, u2, u3)]
    return p, above, [None if one is None else one.sum(dim, keepdim=True) for one in above]


def minus(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """A product to be subtracted."""
    return None if a is None or b is None else -a * b


def times(factor: Tensor, coefficient: Tensor | None) -> Tensor | None:
    """A Taylor coefficient times something that stands still."""
    return None if coefficient is None else factor * coefficient


def total(*terms: Tensor | None) -> Tensor | None:
    """The sum of those that are not zero."""
    found: Tensor | None = None
    for term in terms:
        if term is not None:
            found = term if found is None else found + term
    return found
