"""What a module returned in a run that was listened to, handed out again for other numbers of
images.

Which parts grow with the batch is learnt from a run with twice as many; whether anybody looks at a
part's numbers, from a run that is watched. What comes out is compared with the whole way, and
`ReplayMismatch` says that it is not the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_unflatten

_NEAR = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How near the way round has to come to the whole way, as a share of the largest output; 2 % in
half precision.
"""


class ReplayMismatch(Exception):  # noqa: N818  # no error: the whole way is taken
    """The way round does not lead where the whole way leads."""


@dataclass
class RecordedOutput:
    """What a module returned, or what the model was given.

    Its parts, along which axis each grows with the batch, and whether anybody looks at its numbers:
    a tensor that only goes into modules that do not run may hold any.
    """

    parts: list[Any]
    form: TreeSpec
    axes: list[int | None] = field(default_factory=list)
    felt: list[bool] = field(default_factory=list)

    @staticmethod
    def of(value: Any) -> "RecordedOutput":
        """A copy of what was said: the model may write over its own."""
        parts, form = tree_flatten(value)
        return RecordedOutput(
            [part.clone() if isinstance(part, Tensor) else part for part in parts], form
        )

    def compare(self, twice: "RecordedOutput") -> None:
        """Learn the axes from what was returned for twice as many images."""
        if self.form != twice.form:
            raise ReplayMismatch
        self.axes = [_grown(one, two) for one, two in zip(self.parts, twice.parts, strict=True)]
        self.felt = [True] * len(self.parts)

    def times(self, m: int, copied: bool) -> Any:
        """The same for m times as many images."""
        parts = []
        for part, axis, felt in zip(self.parts, self.axes, self.felt, strict=True):
            if isinstance(part, Tensor):
                part = _spread(part, axis, m) if felt else _nothing(part, axis, m)
                part = part.clone() if copied and felt else part
            parts.append(part)
        return tree_unflatten(parts, self.form)


class ReadTracker(TorchDispatchMode):
    """Whose numbers are looked at while the model runs: any operator that takes them, or a view of
    them, looks.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self.seen: set[int] = set()
        self._of: dict[int, int] = {}
        self._kept: list[Any] = []  # so that nothing else comes to lie in its place
        self._away = False

    def follow(self, told: RecordedOutput, handed: Any) -> None:
        """What was handed out stands for the parts it was made of."""
        self._kept.append(handed)
        for part, value in zip(told.parts, tree_leaves(handed), strict=True):
            if isinstance(value, Tensor):
                self._of[value.untyped_storage().data_ptr()] = id(part)

    @contextmanager
    def looking_away(self) -> Iterator[None]:
        """For what is done here and not by the model."""
        self._away = True
        try:
            yield
        finally:
            self._away = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._away:
            for value in tree_leaves((args, kwargs)):
                if isinstance(value, Tensor):
                    self.seen.add(self._of.get(value.untyped_storage().data_ptr(), 0))
        return func(*args, **(kwargs or {}))


def _grown(one: Any, two: Any) -> int | None:
    """The axis along which a part is twice as long for twice as many images; None where it is the
    same.
    """
    if not (isinstance(one, Tensor) and isinstance(two, Tensor)):
        if type(one) is not type(two) or not bool(one == two):
            raise ReplayMismatch
        return None
    if one.shape == two.shape:
        return None
    longer = [axis for axis, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b]
    if len(longer) != 1 or two.shape[longer[0]] != 2 * one.shape[longer[0]]:
        raise ReplayMismatch
    return longer[0]


def _spread(tensor: Tensor, axis: int | None, m: int) -> Tensor:
    """m times over along the axis; of one image nothing is copied."""
    if axis is None:
        return tensor
    if tensor.shape[axis] == 1:
        return tensor.expand(*tensor.shape[:axis], m, *tensor.shape[axis + 1 :])
    return tensor.repeat(*[m if i == axis else 1 for i in range(tensor.ndim)])


def _nothing(tensor: Tensor, axis: int | None, m: int) -> Tensor:
    """A tensor of that shape whose numbers are none: should anybody look at them after all, it
    shows.
    """
    shape = [size * m if i == axis else size for i, size in enumerate(tensor.shape)]
    return tensor.new_full((), torch.nan if tensor.is_floating_point() else 0).expand(shape)


def compared(outputs: Any, truth: Any, images: int) -> None:
    """Raise `ReplayMismatch` where the first two of three versions are not what they should be."""
    ours, form = tree_flatten(outputs)
    theirs, true_form = tree_flatten(truth)
    if form != true_form:
        raise ReplayMismatch
    for got, want in zip(ours, theirs, strict=True):
        if not isinstance(want, Tensor) or not want.is_floating_point():
            continue
        if want.ndim and len(want) == 2 * images and len(got) == 3 * images:
            got = got[: 2 * images]
        near = _NEAR.get(want.dtype, 0.02)
        largest = want.nan_to_num(0, 0, 0).abs().amax().item() if want.numel() else 0.0
        if got.shape != want.shape or not torch.allclose(
            got, want, rtol=0, atol=near * largest, equal_nan=True
        ):
            raise ReplayMismatch
