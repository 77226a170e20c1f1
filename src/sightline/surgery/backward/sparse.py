"""The backward pass without the work that cannot matter.

What comes back from a score is mostly zeros: one class of a thousand is asked for, only the units
that fired carry a gradient, and behind the last attention of a transformer only the class token
does. It is thin: one row a question. And behind a global pool it is the same at every place. The
general operators know none of this. Active only while autograd looks back, on the thread that does;
every number is the same up to the order of summation.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.backward.sparse_attention import attention, few_queries
from sightline.surgery.backward.sparse_products import THIN, by_blocks, rows_felt, thin
from sightline.tensors import unexpanded

_MOST_NODES = 256


class SparseBackward(TorchDispatchMode):
    """While this is entered, zeros are skipped, a large right factor is read once, equal places are
    kept once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self.heads = (
            0,
            0,
        )  # images and width of an attention that was just looked back through from one query
        self._sparse: tuple[Tensor, Tensor] | None = (
            None  # what was made last, and its rows with numbers
        )

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        lean = _LEANER.get(func)
        if lean is not None:
            return lean(self, func, *args, **(kwargs or {}))
        if (
            func._schema.is_mutable
        ):  # a hook, or autograd itself, writes over a gradient: perhaps over that one
            self._sparse = None
        return func(*args, **kwargs) if kwargs else func(*args)

    def mm(self, func: Any, left: Tensor, right: Tensor) -> Any:
        """A linear layer, looked back through."""
        if not (_plain(left) and _plain(right)):
            return func(left, right)
        if len(left) <= THIN:
            return thin(left, right)
        heads, self.heads = self.heads, (0, 0)
        rows = self._known(left)
        if rows is None and (heads[1] or (rows := rows_felt(left)) is None):
            return by_blocks(left, right, *heads)
        some = left[rows]
        return self._made(thin(some, right) if len(some) <= THIN else some @ right, rows, len(left))

    def bmm(self, func: Any, left: Tensor, right: Tensor) -> Any:
        """The same, where the batch could not be folded into the rows: then the weights have the
        stride 0.
        """
        if not (_plain(left) and _plain(right)) or right.stride(0) != 0:
            return func(left, right)
        return self.mm(_aten.mm.default, left.flatten(0, 1), right[0]).unflatten(0, left.shape[:2])

    def elementwise(self, func: Any, grad: Tensor, kept: Tensor, *args: Any, **kwargs: Any) -> Any:
        """An activation, whose derivative is zero where the gradient is."""
        rows = (
            self._known(grad) if grad.shape == kept.shape else None
        )  # of several questions only the gradient has n
        if rows is None:
            return func(grad, kept, *args, **kwargs)
        flat = func(grad.flatten(0, -2)[rows], kept.flatten(0, -2)[rows], *args, **kwargs)
        return self._made(flat, rows, grad.shape[:-1].numel()).view(grad.shape)

    def attention(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Attention, of which perhaps one query counts."""
        if not isinstance(args[0], Tensor):  # nothing comes back
            return func(*args, **kwargs)
        queries = few_queries(*args, rows=self._known_queries(args[0]), **kwargs)
        if queries is None:
            return func(*args, **kwargs)
        self.heads = (len(args[1]), args[1].shape[-1]) if len(queries) == 1 else (0, 0)
        self._sparse = None  # from here on there are none, and it takes memory
        return attention(*args, queries=queries, **kwargs)

    def div(self, _: Any, tensor: Tensor, divisor: Any) -> Tensor:
        """A mean, whose derivative is the same at every place: divide it once and let it stand for
        all of them.
        """
        if tensor.ndim < 3 or not isinstance(divisor, int | float) or 0 not in tensor.stride():
            return torch.div(tensor, divisor)
        return torch.div(unexpanded(tensor), divisor).expand(tensor.shape)

    def _made(self, some: Tensor, rows: Tensor, count: int) -> Tensor:
        """`some` as the `rows` of a tensor of zeros; remembered, so that they need not be looked
        for again.
        """
        out = some.new_zeros(count, some.shape[1]).index_copy_(0, rows, some)
        self._sparse = out, rows  # as long as it is held, nothing else can come to lie in its place
        return out

    def _known_queries(self, grad: Tensor) -> Tensor | None:
        """The rows of what was made last, if this is one image's `[1, heads, n, d]` of it."""
        out = self._sparse[0] if self._sparse is not None else None
        if (
            out is None
            or len(grad) != 1
            or grad.stride()[2:] != (out.shape[1], 1)
            or grad.shape[2] != len(out)
        ):
            return None
        return self._known(grad.transpose(1, 2).flatten(2)[0])

    def _known(self, tensor: Tensor) -> Tensor | None:
        """The rows with numbers, if this is what was made last."""
        if self._sparse is None:
            return None
        out, rows = self._sparse
        same = (
            tensor.data_ptr() == out.data_ptr()
            and tensor.numel() == out.numel()
            and tensor.is_contiguous()
        )
        return rows if same and tensor.shape[-1] == out.shape[-1] else None


def _plain(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and tensor.is_floating_point()


_aten = torch.ops.aten
_LEANER: dict[Any, Callable[..., Any]] = {
    _aten.mm.default: SparseBackward.mm,
    _aten.bmm.default: SparseBackward.bmm,
    _aten.div.Scalar: SparseBackward.div,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward.default: SparseBackward.attention,
    _aten.gelu_backward.default: SparseBackward.elementwise,
    _aten.silu_backward.default: SparseBackward.elementwise,
    _aten.threshold_backward.default: SparseBackward.elementwise,
    _aten.hardswish_backward.default: SparseBackward.elementwise,
    _aten.tanh_backward.default: SparseBackward.elementwise,
    _aten.sigmoid_backward.default: SparseBackward.elementwise,
}


def own_functions(scores: Tensor) -> bool:
    """Whether functions written in Python lie behind the layer; module hooks on the way back are
    such, too.
    """
    return any(isinstance(node, BackwardCFunction) for node in _nodes(scores))


def wide(scores: Tensor) -> bool:
    """Whether products of many rows lie behind the layer, as in a transformer: then zeros are worth
    more than batching.

    >>> from torch import nn
    >>> wide(nn.Linear(4, 2)(torch.ones(1, 4))), wide(nn.Linear(4, 2)(torch.ones(1, 100, 4)))
    (False, True)
    """
    for node in islice(_nodes(scores), _MOST_NODES):
        if node.name() in ("AddmmBackward0", "MmBackward0"):
            sizes = (
                "_saved_self_sym_sizes" if node.name() == "MmBackward0" else "_saved_mat1_sym_sizes"
            )
            if getattr(node, sizes)[0] > THIN:
                return True
    return False


def _nodes(scores: Tensor) -> Iterator[Any]:
    seen: set[Any] = set()
    stack: list[Any] = [scores.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        stack.extend(following for following, _ in node.next_functions)
