"""The backward of convolutions and pools in operators that every exchange format knows.

PyTorch takes most derivatives apart itself; these it leaves to its kernels. A convolution goes back
by the transposed convolution, a maximum to the position that it came from, and a mean, which is
linear along every axis by itself, by one small matrix an axis.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Sizes = Sequence[int]


def convolution_backward(
    grad: Tensor,
    seen: Tensor,
    weight: Tensor,
    bias: Any,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    mask: Sequence[bool],
) -> tuple[Tensor | None, None, None]:
    """The derivative by what a convolution saw; those by its weights are not asked for.

    >>> seen, weight = torch.rand(1, 2, 7, 6, requires_grad=True), torch.rand(3, 2, 3, 3)
    >>> out = torch.nn.functional.conv2d(seen, weight, stride=2, padding=1)
    >>> (want,) = torch.autograd.grad(out.sum(), seen)
    >>> one, two, none = [1, 1], [2, 2], [0, 0]
    >>> found, *_ = convolution_backward(
    ...     torch.ones_like(out),
    ...     seen,
    ...     weight,
    ...     None,
    ...     two,
    ...     one,
    ...     one,
    ...     False,
    ...     none,
    ...     1,
    ...     [True, False, False],
    ... )
    >>> torch.allclose(found, want)
    True
    """
    if not mask[0]:
        return None, None, None
    axes = range(len(stride))
    if transposed:
        spare = [0 for _ in axes]
    else:  # what a stride left over at the far border
        spare = [
            0
            if stride[i] == 1
            else int(
                (seen.shape[2 + i] + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1)
                % stride[i]
            )
            for i in axes
        ]
    back = torch.ops.aten.convolution.default(
        grad, weight, None, stride, padding, dilation, not transposed, spare, groups
    )
    return back, None, None


def max_pool2d_backward(
    grad: Tensor,
    seen: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """Each window's derivative goes to where its maximum was; windows that share it add up."""
    flat = torch.zeros_like(seen).flatten(-2)
    return flat.scatter_add(-1, indices.flatten(-2), grad.flatten(-2)).view(seen.shape)


def avg_pool2d_backward(
    grad: Tensor,
    seen: Tensor,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_padding: bool,
    divisor: int | None,
) -> Tensor:
    """The backward of a mean over windows."""
    matrices = []
    for i in (0, 1):
        size, k, p = int(seen.shape[i - 2]), kernel[i % len(kernel)], padding[i % len(padding)]
        step = stride[i % len(stride)] if stride else k
        windows = [
            (at * step - p, min(at * step - p + k, size + p))
            for at in range(int(grad.shape[i - 2]))
        ]
        matrices.append(_means(size, windows, count_padding, plain=divisor is not None))
    back = _along(grad, matrices[0], matrices[1])
    return back if divisor is None else back / divisor


def adaptive_avg_pool2d(seen: Tensor, out: Sizes) -> Tensor:
    """A mean over windows of nearly equal size: the formats know only those of equal size.

    >>> x = torch.rand(2, 3, 5, 8)
    >>> torch.allclose(
    ...     adaptive_avg_pool2d(x, [3, 4]), torch.nn.functional.adaptive_avg_pool2d(x, (3, 4))
    ... )
    True
    """
    high, wide = (
        _adaptive(int(size), int(o)) for size, o in zip(seen.shape[-2:], out, strict=True)
    )
    return _along(seen, _turned(high), _turned(wide))


def adaptive_avg_pool2d_backward(grad: Tensor, seen: Tensor) -> Tensor:
    """Its backward."""
    high, wide = (
        _adaptive(int(size), int(o))
        for size, o in zip(seen.shape[-2:], grad.shape[-2:], strict=True)
    )
    return _along(grad, high, wide)


def _adaptive(size: int, out: int) -> list[list[float]]:
    return _means(
        size, [(at * size // out, -(-(at + 1) * size // out)) for at in range(out)], False
    )


def _means(
    size: int, windows: list[tuple[int, int]], count_padding: bool, plain: bool = False
) -> list[list[float]]:
    """`[windows][size]`: each position's share in each window's mean (`plain`: its sum)."""
    rows = []
    for start, end in windows:
        inside = range(max(start, 0), min(end, size))
        share = 1.0 if plain else 1.0 / ((end - start) if count_padding else len(inside))
        rows.append([share if at in inside else 0.0 for at in range(size)])
    return rows


def _turned(matrix: list[list[float]]) -> list[list[float]]:
    return [list(row) for row in zip(*matrix, strict=True)]


def _along(tensor: Tensor, high: list[list[float]], wide: list[list[float]]) -> Tensor:
    """`tensor` `[..., o, p]` by matrices `[o][h]` and `[p][w]`: `[..., h, w]`.

    A matrix that changes nothing is left out.
    """
    if not _same(wide):
        tensor = tensor @ torch.tensor(wide, dtype=tensor.dtype, device=tensor.device)
    if not _same(high):
        tensor = torch.tensor(_turned(high), dtype=tensor.dtype, device=tensor.device) @ tensor
    return tensor.clone() if _same(high) and _same(wide) else tensor


def _same(matrix: list[list[float]]) -> bool:
    return all(
        value == float(i == j) for i, row in enumerate(matrix) for j, value in enumerate(row)
    ) and len(matrix) == len(matrix[0])


_aten = torch.ops.aten
DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    _aten.convolution_backward.default: convolution_backward,
    _aten.max_pool2d_with_indices_backward.default: max_pool2d_backward,
    _aten.avg_pool2d_backward.default: avg_pool2d_backward,
    _aten._adaptive_avg_pool2d.default: adaptive_avg_pool2d,
    _aten._adaptive_avg_pool2d_backward.default: adaptive_avg_pool2d_backward,
}
"""What is written in other operators while a run is traced."""
