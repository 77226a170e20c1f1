"""torch's backward of a batch norm in eval mode, put right for one picture.

On a CPU (seen in torch 2.14, in every dtype) the operator reads its gradient in the wrong order
where of input and gradient one lies in memory channel by channel and the other place by place, and
the shape alone does not tell the two apart: with a batch of one, or an axis of one. So it is behind
`flatten(2).transpose(1, 2)`, and where tokens enter by `transpose(1, 2).unsqueeze(3)` and the
gradient comes back channel by channel. What comes back then is as far off as it is large, without
an error. An instance norm goes through the same operator. A gradient with the input's own strides
is always right: so it was in every pair of orders, dense, cut and repeated.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.backward.operators import aten

BATCH_NORM_BACKWARD = aten("native_batch_norm_backward")


def batch_norm_backward(func: Any, grad: Tensor, entered: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The operator on a gradient in the order of what `entered` the norm."""
    return func(_like(grad, entered), entered, *args, **kwargs)


class MendedBatchNorm(TorchDispatchMode):
    """While this is entered, batch norms are looked back through rightly."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is BATCH_NORM_BACKWARD:
            return batch_norm_backward(func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def mended(like: Tensor) -> AbstractContextManager[Any]:
    """For a way back on the device of this tensor: elsewhere than on a CPU nothing is to mend."""
    return MendedBatchNorm() if like.device.type == "cpu" else nullcontext()  # type: ignore[no-untyped-call]  # torch gives this one no types


@contextmanager
def mended_graph(root: Tensor, like: Tensor) -> Iterator[None]:
    """The same for the graph behind one tensor, to be looked back through many times.

    Only the norms in it pay: a hook on each puts the gradient in order that comes to it. What a
    function of somebody's own does on the way back is not in the graph, and is watched as a whole.

    >>> norm = torch.nn.BatchNorm1d(2).eval()
    >>> x = torch.ones(1, 2, 3, requires_grad=True)
    >>> y = norm(x).sum()
    >>> with mended_graph(y, x):
    ...     torch.autograd.grad(y, x)[0].shape
    torch.Size([1, 2, 3])
    """
    if like.device.type != "cpu":
        yield
        return
    nodes = _nodes(root)
    if any(isinstance(node, BackwardCFunction) for node in nodes):
        with mended(like):
            yield
        return
    norms = [node for node in nodes if "BatchNorm" in node.name()]
    handles = [node.register_prehook(partial(_in_order, node)) for node in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _nodes(root: Tensor) -> list[Any]:
    """All of the graph behind a tensor."""
    nodes: list[Any] = [] if root.grad_fn is None else [root.grad_fn]
    seen = set(nodes)
    for node in nodes:  # grows while it is gone through
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                nodes.append(child)
    return nodes


def _in_order(node: Any, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
    grad, *others = gradients
    return gradients if grad is None else (_like(grad, node._saved_input), *others)


def _like(grad: Tensor, entered: Tensor) -> Tensor:
    """A gradient in the order of what entered the norm."""
    if grad.stride() == entered.stride():
        return grad
    # Of what is cut or repeated no copy has the strides; one in the same order is as good.
    return torch.empty_like(entered, dtype=grad.dtype).copy_(grad)


def derivatives(outputs: Tensor, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.autograd.grad` of one tensor by one other, right for one picture, too.

    >>> x = torch.ones(2, requires_grad=True)
    >>> derivatives((x * x).sum(), x)
    tensor([2., 2.])
    """
    with mended(inputs):
        return torch.autograd.grad(outputs, inputs, *args, **kwargs)[0]
