"""What a module returned in a run that was recorded, handed out again for other numbers of images.

Which parts grow with the batch is learnt from a run with twice as many; whether anybody reads a
part's numbers, from a run that is tracked. What comes out is compared with a full run, and
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

from sightline.surgery.harness.fallback import Foreseen

_NEAR = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How near a replay has to come to a full run, as a share of the largest output; 2 % in halves."""


class ReplayMismatch(Foreseen):
    """A model that cannot be replayed from a layer on: it does not give what a full run gives."""


@dataclass
class RecordedOutput:
    """What a module returned, or what the model was given.

    Its parts, along which axis each grows with the batch, and whether its numbers are read: a
    tensor that only goes into modules that do not run may hold any.
    """

    parts: list[Any]
    form: TreeSpec
    axes: list[int | None] = field(default_factory=list)
    read: list[bool] = field(default_factory=list)

    @staticmethod
    def of(value: Any) -> "RecordedOutput":
        """A copy of what was returned: the model may write over its own."""
        parts, form = tree_flatten(value)
        return RecordedOutput(
            [part.clone() if isinstance(part, Tensor) else part for part in parts], form
        )

    def value(self) -> Any:
        """What was returned."""
        return tree_unflatten(self.parts, self.form)

    @property
    def tensors(self) -> list[Tensor]:
        """The parts that are tensors."""
        return [part for part in self.parts if isinstance(part, Tensor)]

    def learn_axes(self, twice: "RecordedOutput") -> None:
        """Learn the axes from what was returned for twice as many images."""
        if self.form != twice.form:
            raise ReplayMismatch("a module returns other things for twice as many images")
        self.axes = [_grown(one, two) for one, two in zip(self.parts, twice.parts, strict=True)]
        self.read = [True] * len(self.parts)

    def times(self, m: int, copied: bool) -> Any:
        """The same for m times as many images."""
        parts = []
        for part, axis, read in zip(self.parts, self.axes, self.read, strict=True):
            if isinstance(part, Tensor):
                part = _repeated(part, axis, m) if read else _unread(part, axis, m)
                part = part.clone() if copied and read else part
            parts.append(part)
        return tree_unflatten(parts, self.form)


class ReadTracker(TorchDispatchMode):
    """Whose numbers are read while the model runs: by any operator that takes them, or a view."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        self.seen: set[int] = set()
        self._of: dict[int, int] = {}
        self._kept: list[Any] = []  # while they are, their memory is nobody else's
        self._paused = False

    def follow(self, output: RecordedOutput, handed: Any) -> None:
        """What was handed out stands for the parts it was made of."""
        self._kept.append(handed)
        for part, value in zip(output.parts, tree_leaves(handed), strict=True):
            if isinstance(value, Tensor):
                self._of[value.untyped_storage().data_ptr()] = id(part)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """For what is done here and not by the model."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self._paused:
            for value in tree_leaves((args, kwargs)):
                if isinstance(value, Tensor):
                    self.seen.add(self._of.get(value.untyped_storage().data_ptr(), 0))
        return func(*args, **(kwargs or {}))


def _grown(one: Any, two: Any) -> int | None:
    """The axis along which a part has grown with twice as many images; None: it is as it was."""
    if not (isinstance(one, Tensor) and isinstance(two, Tensor)):
        if type(one) is not type(two) or not _equal(one, two):
            raise ReplayMismatch("what modules return beside tensors depends on the batch")
        return None
    if one.shape == two.shape:
        return None
    if one.ndim != two.ndim:
        raise ReplayMismatch("a tensor has other axes for twice as many images")
    longer = [axis for axis, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b]
    if len(longer) != 1 or two.shape[longer[0]] != 2 * one.shape[longer[0]]:
        raise ReplayMismatch("a tensor does not grow with the batch along one axis")
    return longer[0]


def _equal(one: Any, two: Any) -> bool:
    try:
        return bool(one == two)
    except Exception:  # a value of somebody's own kind, or an array, of which we know nothing
        return False


def _repeated(tensor: Tensor, axis: int | None, m: int) -> Tensor:
    """m times over along the axis; of one image nothing is copied."""
    if axis is None:
        return tensor
    if tensor.shape[axis] == 1:
        return tensor.expand(*tensor.shape[:axis], m, *tensor.shape[axis + 1 :])
    return tensor.repeat(*[m if i == axis else 1 for i in range(tensor.ndim)])


def _unread(tensor: Tensor, axis: int | None, m: int) -> Tensor:
    """A tensor of that shape of NaN: should anybody read it after all, it shows."""
    shape = [size * m if i == axis else size for i, size in enumerate(tensor.shape)]
    return tensor.new_full((), torch.nan if tensor.is_floating_point() else 0).expand(shape)


def compare_outputs(outputs: Any, truth: Any, images: int) -> None:
    """Raise `ReplayMismatch` where the first two of three versions are not those of a full run."""
    replayed, form = tree_flatten(outputs)
    expected, true_form = tree_flatten(truth)
    if form != true_form:
        raise ReplayMismatch("the model returns other things than in a full run")
    for got, want in zip(replayed, expected, strict=True):
        if not isinstance(want, Tensor) or not want.is_floating_point():
            continue
        if want.ndim and len(want) == 2 * images and len(got) == 3 * images:
            got = got[: 2 * images]
        near = _NEAR.get(want.dtype, 0.02)
        largest = want.nan_to_num(0, 0, 0).abs().amax().item() if want.numel() else 0.0
        if got.shape != want.shape or not torch.allclose(
            got, want, rtol=0, atol=near * largest, equal_nan=True
        ):
            raise ReplayMismatch("the outputs are not those of a full run")
