"""Where a tail is straight, and diagonal derivatives by going back through it: matrices, and their
elements' powers.

An operator is straight if each of its outputs is affine in what moves, at least in pieces. Behind
the last operator that is not, the score is a weighted sum: $S = \\sum_j \\lambda_j h_j$.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.surgery.derivatives.jet_rules import CURVED, LINEAR, STRAIGHT
from sightline.surgery.derivatives.jets import ORDER, slopes_of
from sightline.surgery.derivatives.tape import Slot, Step, Tape, found_in, plainly
from sightline.tensors import per_channel

_SUMS = frozenset(
    {
        "add",
        "sub",
        "rsub",
        "max_pool2d_with_indices",
        "max_pool3d_with_indices",
        "adaptive_max_pool2d",
        "adaptive_max_pool3d",
        "max",
        "min",
        "topk",
        "sort",
        "masked_fill",
        "constant_pad_nd",
    }
)
_PRODUCTS = {
    "mul": (0, 1),
    "div": (0,),
    "mm": (0, 1),
    "bmm": (0, 1),
    "mv": (0, 1),
    "matmul": (0, 1),
    "addmm": (1, 2),
    "convolution": (0,),
    "native_batch_norm": (0,),
    "cudnn_batch_norm": (0,),
}
"""Straight where one factor moves and the others stand still: which of them may."""
_ONE_TO_ONE = frozenset(
    {
        "view",
        "_unsafe_view",
        "reshape",
        "_reshape_alias",
        "permute",
        "transpose",
        "t",
        "slice",
        "select",
        "squeeze",
        "unsqueeze",
        "clone",
        "alias",
        "_to_copy",
        "flip",
        "contiguous",
    }
)
"""Each number goes to one place at most, and comes from one."""


def is_straight(step: Step) -> bool:
    """Whether this operator is affine in what moves, in pieces."""
    if step.name in LINEAR or step.name in STRAIGHT or step.name in _SUMS:
        return step.name not in STRAIGHT or _moving(step) == [0]
    moving = _moving(step)
    if len(moving) != 1 or moving[0] not in _PRODUCTS.get(step.name, ()):
        return False
    if step.name == "div":
        return not step.kwargs.get("rounding_mode")
    return not ("batch_norm" in step.name and step.args[5])


def last_bend(tape: Tape) -> int:
    """How many steps there are up to the last one that is not straight; 0 where there is none."""
    return max(
        (index + 1 for index, step in enumerate(tape.steps) if not is_straight(step)), default=0
    )


def weights_behind(tape: Tape, index: int, slot: int, value: Tensor) -> Tensor:
    """The lambdas: derivatives of the scores `[n, b]` by what is in `slot` behind `index` steps,
    `[n, b, ...]`.
    """
    with torch.enable_grad():
        leaf = value.detach().requires_grad_()
        scores = tape.play(leaf, plainly, slice(index, None), slot=slot)
        rows = [
            torch.autograd.grad(one.sum(), leaf, retain_graph=True, materialize_grads=True)[0]
            for one in scores
        ]
    return torch.stack(rows)  # [n, b, ...]


def by_powers(tape: Tape) -> tuple[Tensor, ...] | None:
    r"""First, second and third diagonal derivatives `[n, b, ...]` of a chain with one bend between
    matrices, else None.

    For $S = \sum_m \lambda_m \varphi(z_m)$, z = V A + b, they are $(V^{\circ n})^T
    (\varphi^{(n)}(z)\,\lambda)$ with the elements of V to the n-th power: for a convolution, its
    kernel's; for a fully connected layer, its weights'. What goes to one place only (pooling,
    scaling, activations, changes of shape) may stand before.
    """
    bend = last_bend(tape)
    if bend == 0:
        return None
    values = [tape.start]
    for step, before in zip(
        tape.steps[:bend], (0, *(one.gives[0] for one in tape.steps)), strict=False
    ):
        if step.takes != (before,) or len(_moving(step)) != 1:
            return None
        found = step.op(*_put(step.args, values[-1]), **step.kwargs)
        values.append(found[0] if isinstance(found, tuple | list) else found)
    if tape.crossing()[bend - 1] != (tape.steps[bend - 1].gives[0],):
        return None
    end = weights_behind(tape, bend, tape.steps[bend - 1].gives[0], values[-1])
    found3: list[Tensor | None] = [end, None, None]  # straight behind: nothing of second order
    separate = True  # the score is a sum of functions of one number each
    for step, value, out in zip(
        reversed(tape.steps[:bend]), reversed(values[:-1]), reversed(values[1:]), strict=True
    ):
        went = _back(step, value, out, found3, separate)
        if went is None:
            return None
        found3, separate = went
    first = found3[0]
    assert first is not None
    return tuple(torch.zeros_like(first) if one is None else one for one in found3)


Three = list[Tensor | None]


def _back(
    step: Step, x: Tensor, y: Tensor, found: Three, separate: bool
) -> tuple[Three, bool] | None:
    """From an operator's output to its input, and whether the score is still a sum of functions of
    one number each.
    """
    if step.name in CURVED or step.name in STRAIGHT:
        return (
            _through(
                slopes_of(lambda at: step.op(*_put(step.args, at), **step.kwargs), x, ORDER), found
            ),
            separate,
        )
    if step.name in _ONE_TO_ONE or (step.name in ("add", "sub") and x.shape == y.shape):
        return (
            _each(
                found,
                lambda one, n: _vjp(
                    lambda at: _one(step.op(*_put(step.args, at), **step.kwargs)), x, one
                ),
            ),
            separate,
        )
    if step.name in ("mean", "sum"):
        count = x.numel() / y.numel() if step.name == "mean" else 1.0
        pulled = _each(
            found,
            lambda one, n: (
                _vjp(lambda at: step.op(*_put(step.args, at), **step.kwargs), x, one)
                / count ** (n - 1)
            ),
        )
        return pulled, False
    if "max_pool" in step.name and (separate or _apart(step)):
        return (
            _each(
                found,
                lambda one, n: _vjp(
                    lambda at: step.op(*_put(step.args, at), **step.kwargs)[0], x, one
                ),
            ),
            False,
        )
    if not is_straight(step) or step.name not in _PRODUCTS:
        return None
    alone = step.name in ("mul", "div", "native_batch_norm", "cudnn_batch_norm")
    if not alone and not separate:
        return None
    if alone and x.shape != y.shape:
        return None
    return (
        _each(found, lambda one, n: _vjp(lambda at: _one(_to_the(step, at, n)), x, one)),
        alone and separate,
    )


def _apart(step: Step) -> bool:
    """Whether the windows of a pool do not overlap, so that each number goes to one place at most."""
    if "adaptive" in step.name:
        return False
    given = list(step.args[1:5])
    kernel, stride, padding, dilation = given + [[], [0], [1]][len(given) - 1 :]
    return (
        (not stride or list(kernel) == list(stride))
        and set(padding) == {0}
        and set(dilation) == {1}
    )


def _to_the(step: Step, at: Tensor, n: int) -> Any:
    """The operator with every element of its matrix to the n-th power, and nothing added."""
    args = list(step.args)
    if step.name == "addmm":
        first, second = (at if isinstance(one, Slot) else one**n for one in args[1:])
        return (first @ second) * (step.kwargs.get("alpha", 1) ** n)
    if step.name == "convolution":
        return step.op(at, args[1] ** n, None, *args[3:])
    if "batch_norm" in step.name:
        weight = torch.ones_like(args[4]) if args[1] is None else args[1]
        return at * per_channel((args[4] + args[7]).rsqrt() * weight, at.ndim) ** n
    return step.op(*[at if isinstance(one, Slot) else one**n for one in args])


def _through(slopes: list[Tensor], found: Three) -> Three:
    """The chain rule for what acts on each number by itself."""
    _, d1, d2, d3 = slopes
    r1, r2, r3 = found
    assert r1 is not None
    s2, s3 = d2 * r1, d3 * r1
    if r2 is not None:
        s2, s3 = s2 + d1**2 * r2, s3 + 3 * d1 * d2 * r2
    if r3 is not None:
        s3 = s3 + d1**3 * r3
    return [d1 * r1, s2, s3]


def _each(found: Three, function: Callable[[Tensor, int], Tensor]) -> Three:
    return [None if one is None else function(one, n) for n, one in enumerate(found, 1)]


def _vjp(function: Callable[[Tensor], Tensor], x: Tensor, rows: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        out = function(leaf)
        return torch.stack(
            [torch.autograd.grad(out, leaf, row, retain_graph=True)[0] for row in rows]
        )


def _one(found: Any) -> Tensor:
    first: Tensor = found[0] if isinstance(found, tuple | list) else found
    return first


def _put(args: Any, value: Tensor) -> tuple[Any, ...]:
    return tuple(value if isinstance(one, Slot) else one for one in args)


def _moving(step: Step) -> list[int]:
    """At which of its arguments something moves; -1 stands for one deeper inside, or given by name."""
    found = [index for index, one in enumerate(step.args) if isinstance(one, Slot)]
    deep = len(list(found_in((step.args, step.kwargs), Slot))) - len(found)
    return found + [-1] * deep
