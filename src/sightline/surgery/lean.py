"""Matrix products of the backward pass without the work that cannot matter.

What comes back from a score is mostly zeros: behind the last attention of a transformer only the class token
carries a gradient, and behind a ReLU only the units that fired. And it is thin: one row a question. The general matrix
product knows neither. Active only while autograd looks back, on the thread that does.
"""

from typing import Any

import torch
from torch import Tensor, nn  # noqa: F401 - the example needs nn
from torch.utils._python_dispatch import TorchDispatchMode

_THIN = 32
"""Up to so many rows a product is bound by reading the right factor, and is done in strips of it."""

_LARGE = 1 << 21
"""Below so many entries of the right factor nothing is gained."""

_MOST_NODES = 256

_STRIP = 16
"""Rows of the right factor at a time: they stay in the cache while they are used. See benchmarks/thin.py."""


class Lean(TorchDispatchMode):
    """While this is entered, `mm` skips rows and columns of zeros and reads a large right factor once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.mm.default:
            return product(*args)
        return func(*args, **(kwargs or {}))


def pays(scores: Tensor) -> bool:
    """Whether some product behind the layer is large enough: the mode costs time at every operator.

    >>> pays(nn.Linear(4, 2)(torch.ones(1, 4))), pays(nn.Linear(4, 2)(torch.ones(1, 100, 4)))
    (False, True)
    """
    seen: set[Any] = set()
    stack: list[Any] = [scores.grad_fn]
    while stack and len(seen) < _MOST_NODES:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() in ("AddmmBackward0", "MmBackward0"):
            sizes = "_saved_self_sym_sizes" if node.name() == "MmBackward0" else "_saved_mat1_sym_sizes"
            (rows, inner), (_, outer) = getattr(node, sizes), node._saved_mat2_sym_sizes
            if rows > _THIN or inner * outer >= _LARGE:
                return True
        stack.extend(following for following, _ in node.next_functions)
    return False


def product(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right`, the same numbers up to the order of summation.

    >>> left, right = torch.zeros(100, 3), torch.rand(3, 2)
    >>> left[7] = torch.tensor([1.0, 2.0, 3.0])
    >>> torch.equal(product(left, right), left @ right)
    True
    """
    rows = len(left)
    if rows > _THIN:
        return _without_zero_rows(left, right)
    if left.device.type == "cpu" and right.numel() >= _LARGE and right.stride(1) == 1:
        return _in_strips(left, right)
    return left @ right


def _without_zero_rows(left: Tensor, right: Tensor) -> Tensor:
    felt = left.any(1).nonzero().squeeze(1)
    if 2 * len(felt) > len(left):
        return left @ right
    return left.new_zeros(len(left), right.shape[1]).index_copy_(0, felt, product(left[felt], right))


def _in_strips(left: Tensor, right: Tensor) -> Tensor:
    felt = left.any(0).nonzero().squeeze(1)
    single = len(left) == 1
    gather = 5 * len(felt) < (3 if single else 2) * len(right)  # enough zeros to pay for gathering the rest
    if single and not gather:
        return left @ right
    left, strip = left[:, felt] if gather else left, 2 * _STRIP if single else _STRIP
    out = left.new_zeros(len(left), right.shape[1])
    gathered = right.new_empty(strip, right.shape[1]) if gather else right
    for start in range(0, left.shape[1], strip):
        part = left[:, start : start + strip]
        rows = gathered[: part.shape[1]] if gather else right[start : start + strip]
        if gather:
            torch.index_select(right, 0, felt[start : start + strip], out=rows)
        out.addmm_(part, rows)
    return out
