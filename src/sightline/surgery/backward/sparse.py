"""The backward pass without the work that cannot matter.

What comes back from a score is mostly zeros: one class of a thousand is differentiated, only the
units that fired carry a gradient, and behind the last attention of a transformer only the class
token does. It is thin: one row a score. And behind a global pool it is the same at every position.
The general operators know none of this. Active only during a backward pass, on the thread that runs
it; every number is the same up to the order of summation.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.surgery.backward.batch_norm import BATCH_NORM_BACKWARD, batch_norm_backward
from sightline.surgery.backward.operators import aten, zero_skipping
from sightline.surgery.backward.sparse_attention import attention_backward, few_queries
from sightline.surgery.backward.sparse_products import THIN, by_blocks, nonzero_rows, thin
from sightline.surgery.harness.fallback import Foreseen
from sightline.tensors import unexpanded


class SharedMemory(Foreseen):
    """A hook writes into a gradient whose positions share their memory."""


class SparseBackward(TorchDispatchMode):
    """While this is entered, zeros are skipped, large factors read once, equal values kept once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        # Images and width of an attention through which a single query's gradient just came back.
        self.heads = (0, 0)
        # What was made last, and its nonzero rows: the next operator mostly takes just that.
        self._last: tuple[Tensor, Tensor] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = _RULES.get(func)
        if rule is not None:
            return rule(self, func, *args, **(kwargs or {}))
        if not func._schema.is_mutable:
            return func(*args, **kwargs) if kwargs else func(*args)
        # A hook, or autograd itself, writes over a gradient: perhaps over that one.
        self._last = None
        try:
            return func(*args, **(kwargs or {}))
        except RuntimeError as error:
            if any(_overlaps(one) for one in args):
                raise SharedMemory(f"{func} writes where positions share their memory") from error
            raise

    def mm(self, func: Any, left: Tensor, right: Tensor) -> Any:
        """A linear layer's backward."""
        if not (_dense(left) and _dense(right)):
            return func(left, right)
        if len(left) <= THIN:
            return thin(left, right)
        heads, self.heads = self.heads, (0, 0)
        rows = self._known(left)
        if rows is None and (heads[1] or (rows := nonzero_rows(left)) is None):
            return by_blocks(left, right, *heads)
        some = left[rows]
        return self._made(thin(some, right) if len(some) <= THIN else some @ right, rows, len(left))

    def bmm(self, func: Any, left: Tensor, right: Tensor) -> Any:
        """The same, where the batch could not be folded into the rows.

        Then the weights have the stride 0 along it.
        """
        if not (_dense(left) and _dense(right)) or right.stride(0) != 0:
            return func(left, right)
        return self.mm(aten("mm"), left.flatten(0, 1), right[0]).unflatten(0, left.shape[:2])

    def elementwise(self, func: Any, grad: Tensor, kept: Tensor, *args: Any, **kwargs: Any) -> Any:
        """An activation, whose derivative is zero where the gradient is."""
        # Of several scores together, only the gradient has the axis n.
        rows = self._known(grad) if grad.shape == kept.shape else None
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
        self._last = None  # from here on no rows are zero, and it takes memory
        return attention_backward(*args, queries=queries, **kwargs)

    def batch_norm(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """torch's own operator, which is wrong for some orders in memory."""
        return batch_norm_backward(func, *args, **kwargs)

    def div(self, _: Any, tensor: Tensor, divisor: Any) -> Tensor:
        """A mean: its derivative is the same at every position, so it is divided once."""
        if tensor.ndim < 3 or not isinstance(divisor, int | float) or 0 not in tensor.stride():
            return torch.div(tensor, divisor)
        return torch.div(unexpanded(tensor), divisor).expand(tensor.shape)

    def _made(self, some: Tensor, rows: Tensor, count: int) -> Tensor:
        """`some` as the `rows` of zeros, remembered so that nobody looks for them again."""
        out = some.new_zeros(count, some.shape[1]).index_copy_(0, rows, some)
        self._last = out, rows  # while it is held, its memory is nobody else's
        return out

    def _known_queries(self, grad: Tensor) -> Tensor | None:
        """The rows of what was made last, if this is one image's `[1, heads, n, d]` of it."""
        out = self._last[0] if self._last is not None else None
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
        if self._last is None:
            return None
        out, rows = self._last
        same = (
            tensor.data_ptr() == out.data_ptr()
            and tensor.numel() == out.numel()
            and tensor.is_contiguous()
        )
        return rows if same and tensor.shape[-1] == out.shape[-1] else None


def _dense(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and tensor.is_floating_point()


def _overlaps(value: Any) -> bool:
    """Whether several positions of a tensor lie at one place in memory."""
    return isinstance(value, Tensor) and any(
        step == 0 and size > 1 for size, step in zip(value.shape, value.stride(), strict=True)
    )


_RULES: dict[Any, Callable[..., Any]] = {
    BATCH_NORM_BACKWARD: lambda _, func, *args, **kwargs: batch_norm_backward(
        func, *args, **kwargs
    ),
    aten("mm"): SparseBackward.mm,
    aten("bmm"): SparseBackward.bmm,
    torch.ops.aten.div.Scalar: SparseBackward.div,
    aten("_scaled_dot_product_flash_attention_for_cpu_backward"): SparseBackward.attention,
    **dict.fromkeys(zero_skipping(), SparseBackward.elementwise),
}
