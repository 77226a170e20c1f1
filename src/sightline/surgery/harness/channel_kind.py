"""Which axis of a tensor holds the channels, by what made it and not by its proportions.

A convolution, a batch norm, a pool put the channels behind the batch, whatever the sizes; a linear
layer and a layer norm work along the last axis. What comes behind them keeps its channels where
they are, or moves them by a permutation that says how. So while the model runs, each operator's
output is marked with the axis of its channels, as far as that is known.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from sightline.surgery.harness.grids import Channels, Shape
from sightline.surgery.harness.model_io import tensors_in

_CHANNELS_SECOND = (
    "convolution",
    "batch_norm",
    "group_norm",
    "max_pool",
    "avg_pool",
    "upsample",
    "grid_sampler",
    "pixel_shuffle",
    "pixel_unshuffle",
)
_FIRST = (_ConvNd, _NormBase, nn.GroupNorm, _MaxPoolNd, _AvgPoolNd)
_CHANNELS_LAST = ("addmm", "mm", "linear", "native_layer_norm", "_fused_rms_norm", "embedding")
_LOST = ("bmm", "baddbmm", "matmul", "im2col", "col2im", "as_strided", "unfold", "_unsafe_index")
_RESHAPED = ("view", "_unsafe_view", "reshape", "_reshape_copy", "_reshape_alias", "reshape_as")


def kind_of(module: nn.Module) -> Channels | None:
    """What is known of the channels in what a module returns, by its class.

    >>> kind_of(nn.Conv1d(3, 4, 1)), kind_of(nn.Linear(3, 4)), kind_of(nn.ReLU())
    (Channels(axis=1, sure=True), Channels(axis=-1, sure=False), None)
    """
    if isinstance(module, _FIRST):
        return Channels(1, sure=True)
    # No class made of these: some turn the axes round for them (LayerNorm2d).
    return Channels(-1, sure=False) if type(module) in (nn.Linear, nn.LayerNorm) else None


class ChannelKinds(TorchDispatchMode):
    """Inside, every operator's output is marked; `of` reads the mark of a tensor.

    >>> x = torch.rand(2, 3, 8, 8)
    >>> with ChannelKinds() as kinds:
    ...     y = torch.nn.functional.conv2d(x, torch.rand(8, 3, 1, 1))
    ...     z = y.relu().permute(0, 2, 3, 1)
    >>> kinds.of(x), kinds.of(y), kinds.of(z)
    (None, Channels(axis=1, sure=True), Channels(axis=3, sure=True))
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch gives this one no types
        # By where the numbers lie: a view comes back to Python as another object than it left. A
        # memory that is used again is marked again by whatever fills it.
        self._marks: dict[Any, Channels] = {}

    def of(self, tensor: Tensor) -> Channels | None:
        """What is known of a tensor; nothing of those that no operator made inside."""
        return self._marks.get(_place(tensor))

    @staticmethod
    def paused() -> AbstractContextManager[object]:
        """Inside, nothing is marked: what is only looked at is no part of the model."""
        return cast(AbstractContextManager[object], _disable_current_modes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operator's own result."""
        name = func.overloadpacket.__name__.removesuffix("_")
        given = [
            (one, self._marks.get(_place(one))) for one in tensors_in(args) if _is_plain(one)
        ]  # before it runs: it may write over them
        result = func(*args, **(kwargs or {}))
        for out in tensors_in(result):
            if _is_plain(out):
                mark = _marked(name, args, given, out)
                if mark is None:
                    self._marks.pop(_place(out), None)
                else:
                    self._marks[_place(out)] = mark
        return result


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.device.type != "meta"


def _place(tensor: Tensor) -> Any:
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride()


def _marked(
    name: str, args: Any, given: list[tuple[Tensor, Channels | None]], out: Tensor
) -> Channels | None:
    """The mark of an operator's output."""
    if any(word in name for word in _CHANNELS_SECOND):
        return Channels(1, sure=True) if out.ndim > 2 else None
    if name in _CHANNELS_LAST:
        return Channels(out.ndim - 1, sure=False)
    if name in _LOST or not given:
        return None
    own, mark = given[0]
    if name in _RESHAPED:
        return None if mark is None else _reshaped(mark, tuple(own.shape), tuple(out.shape))
    if name in ("permute", "transpose", "t", "unsqueeze", "select", "squeeze"):
        return None if mark is None else _moved(mark, name, args, own.ndim, out.ndim)
    return _agreed((mark for one, mark in given if one.ndim == out.ndim), out)


def _moved(mark: Channels, name: str, args: Any, axes: int, left: int) -> Channels | None:
    """Behind an operator that turns axes, adds one, or takes some away."""
    old: list[int | None] = list(range(axes))
    if name == "permute":
        old = [axis % axes for axis in args[1]]
    elif name == "t":
        old.reverse()
    elif name == "transpose":
        one, other = args[1] % axes, args[2] % axes
        old[one], old[other] = old[other], old[one]
    elif name == "unsqueeze":
        old.insert(args[1] % left, None)
    elif name == "select":
        del old[args[1] % axes]
    elif len(args) > 1:
        gone = [args[1]] if isinstance(args[1], int) else args[1]
        old = [k for k in range(axes) if k not in {axis % axes for axis in gone}]
    if mark.axis not in old or len(old) != left:
        return None
    return Channels(old.index(mark.axis), mark.sure)


def _reshaped(mark: Channels, before: Shape, after: Shape) -> Channels | None:
    """Where an axis stays an axis: all before it is as it was, or all behind it."""
    axis, from_end = mark.axis, len(before) - mark.axis
    if before[: axis + 1] == after[: axis + 1]:
        return mark
    if before[-from_end + 1 or len(before) :] == after[-from_end + 1 or len(after) :] and (
        len(after) >= from_end and (after[-from_end] == before[axis] or len(after) == len(before))
    ):
        return Channels(len(after) - from_end, mark.sure)
    return None


def _agreed(marks: Iterable[Channels | None], out: Tensor) -> Channels | None:
    """What works on each number, or joins tensors, leaves the channels where all have them."""
    known = [mark for mark in marks if mark is not None]
    known = [mark for mark in known if mark.sure] or known
    axes = {mark.axis for mark in known}
    return Channels(axes.pop(), known[0].sure) if len(axes) == 1 else None
