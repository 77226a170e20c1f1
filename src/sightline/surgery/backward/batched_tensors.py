"""Several gradients of one shape as one tensor, for autograd to hand on.

By nonzero rows, by slices, or one by one. None has numbers where autograd looks for them.
`BatchedScores` answers for them while it is entered, nobody else does.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor


class StandIn(Tensor):
    """n gradients of one shape."""

    @classmethod
    # torch's stub declares it without `cls`, so every override of it looks wrong to mypy
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func} outside of BatchedScores")

    @property
    def parts(self) -> list[Tensor]:
        """The gradients themselves, zeros and all; made once."""
        if self.made is None:
            self.made = self.make()
        return self.made

    made: list[Tensor] | None
    make: Callable[[], list[Tensor]]

    @classmethod
    def _of(
        cls,
        like: Tensor,
        shape: Sequence[int],
        make: Callable[[], list[Tensor]],
        strides: Any = None,
    ) -> Any:
        stand_in: Any = Tensor._make_wrapper_subclass(
            cls, list(shape), strides=strides, dtype=like.dtype, device=like.device
        )
        stand_in.made, stand_in.make = None, make
        return stand_in


class Rows(StandIn):
    """Gradients `[*lead, width]` of which few rows are not zero: `rows` `[n, r, width]`.

    `positions` `[r]` says where they are among the rows, counted through in the order of `lead`.
    """

    rows: Tensor
    positions: Tensor

    @staticmethod
    def of(rows: Tensor, positions: Tensor, shape: Sequence[int]) -> "Rows":
        """The rows of gradients of this shape."""
        one: Rows = Rows._of(rows, shape, partial(_from_rows, rows, positions, shape))
        one.rows, one.positions = rows, positions
        return one


def _from_rows(rows: Tensor, positions: Tensor, shape: Sequence[int]) -> list[Tensor]:
    made = rows.new_zeros(len(rows), math.prod(shape[:-1]), shape[-1])
    return list(made.index_copy_(1, positions, rows).unflatten(1, tuple(shape[:-1])).unbind())


class Slices(StandIn):
    """Gradients that are zero but for some slices along an axis: `by_index` holds n of each."""

    by_index: dict[int, list[Tensor]]
    axis: int

    @staticmethod
    def of(by_index: dict[int, list[Tensor]], axis: int, shape: Sequence[int]) -> "Slices":
        """The slices of gradients of this shape."""
        some = next(iter(by_index.values()))
        one: Slices = Slices._of(some[0], shape, partial(_from_slices, by_index, axis, shape))
        one.by_index, one.axis = by_index, axis
        return one


def _from_slices(
    by_index: dict[int, list[Tensor]], axis: int, shape: Sequence[int]
) -> list[Tensor]:
    none = [torch.zeros_like(one) for one in next(iter(by_index.values()))]
    columns = [by_index.get(index, none) for index in range(shape[axis])]
    return [torch.stack(own, axis) for own in zip(*columns, strict=True)]


class Many(StandIn):
    """Gradients one by one."""

    @staticmethod
    def of(parts: list[Tensor]) -> "Many":
        """These, which have one shape."""
        one: Many = Many._of(parts[0], parts[0].shape, lambda: parts, parts[0].stride())
        return one
