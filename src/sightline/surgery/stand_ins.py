"""Several gradients of one shape as one tensor, for autograd to hand on: by felt rows, by slices, or one by one.

None has numbers where autograd looks for them. `Questions` answers for them while it is entered, nobody else does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class StandIn(Tensor):
    """n gradients of one shape."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]  # torch's stub lacks cls
        raise RuntimeError(f"{func} outside of Questions")

    @property
    def parts(self) -> list[Tensor]:
        """The gradients themselves, zeros and all; made once."""
        if "made" not in vars(self):
            vars(self)["made"] = self._parts()
        return vars(self)["made"]  # type: ignore[no-any-return]

    def _parts(self) -> list[Tensor]:
        raise NotImplementedError

    @classmethod
    def _shaped(cls, like: Tensor, shape: Sequence[int], strides: Sequence[int] | None = None) -> Any:
        return Tensor._make_wrapper_subclass(cls, list(shape), strides=strides, dtype=like.dtype, device=like.device)


class Rows(StandIn):
    """Gradients `[*lead, width]` of which few rows are felt: `rows` `[n, r, width]`.

    `felt` `[r]` are their positions among those of `lead`, counted through in the order of its axes.
    """

    rows: Tensor
    felt: Tensor

    @staticmethod
    def of(rows: Tensor, felt: Tensor, shape: Sequence[int]) -> "Rows":
        """The rows of gradients of this shape."""
        made: Rows = Rows._shaped(rows, shape)
        made.rows, made.felt = rows, felt
        return made

    def _parts(self) -> list[Tensor]:
        made = self.rows.new_zeros(len(self.rows), self.shape[:-1].numel(), self.shape[-1])
        return list(made.index_copy_(1, self.felt, self.rows).unflatten(1, self.shape[:-1]).unbind())


class Slices(StandIn):
    """Gradients that are zero but for some slices along an axis: `by_index` holds n of each."""

    by_index: dict[int, list[Tensor]]
    axis: int

    @staticmethod
    def of(by_index: dict[int, list[Tensor]], axis: int, shape: Sequence[int]) -> "Slices":
        """The slices of gradients of this shape."""
        made: Slices = Slices._shaped(next(iter(by_index.values()))[0], shape)
        made.by_index, made.axis = by_index, axis
        return made

    def _parts(self) -> list[Tensor]:
        none = [torch.zeros_like(one) for one in next(iter(self.by_index.values()))]
        columns = [self.by_index.get(index, none) for index in range(self.shape[self.axis])]
        return [torch.stack(own, self.axis) for own in zip(*columns, strict=True)]


class Many(StandIn):
    """Gradients one by one."""

    @staticmethod
    def of(parts: list[Tensor]) -> "Many":
        """These, which have one shape."""
        made: Many = Many._shaped(parts[0], parts[0].shape, parts[0].stride())
        vars(made)["made"] = parts
        return made
