"""Where operators are linear in pieces, and diagonal derivatives by going back through these.

An operator is linear here if each of its outputs is affine in what moves, at least in pieces.
Behind the last operator that is not, the score is a weighted sum: $S = \\sum_j \\lambda_j h_j$. To
go back through a matrix with its elements' powers gives the derivatives of higher order.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.backward.batch_norm import derivatives
from sightline.surgery.backward.operators import operator
from sightline.surgery.derivatives.jets import ORDER, Coefficients, derivatives_of
from sightline.surgery.derivatives.nests import found_in
from sightline.surgery.derivatives.tape import Slot, Step, Tape, run_op

_ONE_BY_ONE = ("mul", "div", "native_batch_norm", "cudnn_batch_norm")
"""Products with a factor of its own for each number."""


def is_linear(step: Step) -> bool:
    """Whether this operator is affine in what moves, in pieces."""
    row, moving = operator(step.name), _moving(step)
    if row.linear or row.affine:
        return True
    if row.pieces:
        return moving == [0]
    if len(moving) != 1 or moving[0] not in row.factors:
        return False
    if step.name == "div":
        return not step.kwargs.get("rounding_mode")
    return not ("batch_norm" in step.name and step.args[5])


def last_nonlinear(tape: Tape) -> int:
    """How many steps there are up to the last one that is not linear; 0 where there is none."""
    return max(
        (index + 1 for index, step in enumerate(tape.steps) if not is_linear(step)), default=0
    )


def weights_behind(tape: Tape, index: int, slot: int, value: Tensor) -> Tensor:
    """The lambdas: derivatives `[n, b, ...]` of the scores by a slot behind some steps."""
    with torch.enable_grad():
        leaf = value.detach().requires_grad_()
        scores = tape.play(leaf, run_op, slice(index, None), slot=slot)
        rows = [
            derivatives(one.sum(), leaf, retain_graph=True, materialize_grads=True)
            for one in scores
        ]
    return torch.stack(rows)  # [n, b, ...]


def by_powers(tape: Tape) -> tuple[Tensor, ...] | None:
    r"""Three diagonal derivatives `[n, b, ...]` of a chain with one nonlinearity, else None.

    For $S = \sum_m \lambda_m \varphi(z_m)$, z = V A + b, they are $(V^{\circ n})^T
    (\varphi^{(n)}(z)\,\lambda)$ with the elements of V to the n-th power: for a convolution, its
    kernel's; for a fully connected layer, its weights'. What goes to one place only (pooling,
    scaling, activations, changes of shape) may stand before.
    """
    count = last_nonlinear(tape)
    if count == 0:
        return None
    steps, values = tape.steps[:count], [tape.start]
    for step, before in zip(steps, (0, *(one.gives[0] for one in steps)), strict=False):
        moving = _moving(step)
        if step.takes != (before,) or len(moving) != 1 or moving[0] < 0:
            return None
        values.append(_run(step, values[-1]))
    slot = steps[-1].gives[0]
    if tape.crossing()[count - 1] != (slot,):
        return None
    # Linear behind: nothing of second order yet, and the score is a sum of functions of one number.
    found: Coefficients = [weights_behind(tape, count, slot, values[-1]), None, None]
    separate = True
    for step, x, y in zip(
        reversed(steps), reversed(values[:-1]), reversed(values[1:]), strict=True
    ):
        before_it = _back(step, x, y, found, separate)
        if before_it is None:
            return None
        found, separate = before_it
    first = found[0]
    assert first is not None
    return tuple(torch.zeros_like(first) if one is None else one for one in found)


def _back(
    step: Step, x: Tensor, y: Tensor, found: Coefficients, separate: bool
) -> tuple[Coefficients, bool] | None:
    """From an operator's output to its input; None where its elements' powers do not tell.

    `separate` says that the score is a sum of functions of one number each, there and here.
    """
    row = operator(step.name)

    def run(at: Tensor) -> Tensor:
        return _run(step, at)

    if row.elementwise:
        return _chain_rule(derivatives_of(run, x, ORDER), found), separate
    if row.one_to_one or (step.name in ("add", "sub") and x.shape == y.shape):
        return _pulled_back(x, found, lambda n: run), separate
    if step.name in ("mean", "sum"):
        count = x.numel() / y.numel() if step.name == "mean" else 1.0
        pulled = _pulled_back(x, found, lambda n: run)
        powers = (count ** (n - 1) for n in (1, 2, 3))
        shared = zip(pulled, powers, strict=True)
        return [None if one is None else one / power for one, power in shared], False
    if "max_pool" in step.name and (separate or _windows_apart(step)):
        return _pulled_back(x, found, lambda n: run), False
    if not is_linear(step) or not row.factors:
        return None
    if step.name in _ONE_BY_ONE:
        if x.shape != y.shape:
            return None
    elif not separate:
        return None
    back = _pulled_back(x, found, lambda n: lambda at: _to_the_power(step, at, n))
    return back, step.name in _ONE_BY_ONE and separate


def _windows_apart(step: Step) -> bool:
    """Whether the windows of a pool do not overlap: each number goes to one position at most."""
    if "adaptive" in step.name:
        return False
    given = list(step.args[1:5])
    kernel, stride, padding, dilation = given + [[], [0], [1]][len(given) - 1 :]
    return (
        (not stride or list(kernel) == list(stride))
        and set(padding) == {0}
        and set(dilation) == {1}
    )


def _to_the_power(step: Step, at: Tensor, n: int) -> Tensor:
    """The operator with every element of its matrix to the n-th power, and nothing added."""
    args = list(step.args)
    if step.name == "addmm":
        first, second = (at if isinstance(one, Slot) else one**n for one in args[1:])
        product: Tensor = (first @ second) * (step.kwargs.get("alpha", 1) ** n)
        return product
    if step.name == "convolution":
        return _first_of(step.op(at, args[1] ** n, None, *args[3:]))
    if "batch_norm" in step.name:
        weight = torch.ones_like(args[4]) if args[1] is None else args[1]
        column = (1, -1, *[1] * (at.ndim - 2))
        scaled: Tensor = at * ((args[4] + args[7]).rsqrt() * weight).reshape(column) ** n
        return scaled
    return _first_of(step.op(*[at if isinstance(one, Slot) else one**n for one in args]))


def _chain_rule(derivatives: list[Tensor], found: Coefficients) -> Coefficients:
    """For what acts on each number by itself."""
    _, d1, d2, d3 = derivatives
    r1, r2, r3 = found
    assert r1 is not None
    s2, s3 = d2 * r1, d3 * r1
    if r2 is not None:
        s2, s3 = s2 + d1**2 * r2, s3 + 3 * d1 * d2 * r2
    if r3 is not None:
        s3 = s3 + d1**3 * r3
    return [d1 * r1, s2, s3]


def _pulled_back(
    x: Tensor, found: Coefficients, power: Callable[[int], Callable[[Tensor], Tensor]]
) -> Coefficients:
    """Derivatives `[n, b, ...]` back through a linear function for each order: its n-th power."""
    return [None if one is None else _vjp(power(n), x, one) for n, one in enumerate(found, 1)]


def _vjp(function: Callable[[Tensor], Tensor], x: Tensor, rows: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        out = function(leaf)
        return torch.stack([derivatives(out, leaf, row, retain_graph=True) for row in rows])


def _run(step: Step, value: Tensor) -> Tensor:
    """An operator of which one argument moves; of several outputs the first."""
    args = [value if isinstance(one, Slot) else one for one in step.args]
    return _first_of(step.op(*args, **step.kwargs))


def _first_of(found: Any) -> Tensor:
    first: Tensor = found[0] if isinstance(found, tuple | list) else found
    return first


def _moving(step: Step) -> list[int]:
    """At which arguments something moves; -1 stands for one deeper inside, or given by name."""
    found = [index for index, one in enumerate(step.args) if isinstance(one, Slot)]
    deep = len(list(found_in((step.args, step.kwargs), Slot))) - len(found)
    return found + [-1] * deep
