"""What each operator does to positions: where a place of its output lies on what went into it.

A convolution, a pool, a pad, a crop, a mirror: each says exactly where on its input a place of its
output is centred, and what works on each number by itself moves nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any


@dataclass(frozen=True)
class Track:
    """One axis of the grid on its way to the picture: which axis of a tensor it is, and where.

    The place u (0 at the grid's rim, its centre at a half) lies at `scale` u + `low` to `scale` u +
    `high`: two ways to one tensor need not agree to the pixel.
    """

    axis: int
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0

    def through(self, scale: float | int, offset: float | int) -> "Track":
        """Seen one operator earlier, where the position x of the output is scale x + offset."""
        ends = sorted((scale * self.low + offset, scale * self.high + offset))
        return Track(self.axis, scale * self.scale, *ends)


Tracks = tuple[Track, ...]


class UnknownStep(Exception):  # noqa: N818  # no error: the place is measured
    """Something on the way that may move places about."""


def name_of(node: Any) -> str:
    """An operator, as autograd names it."""
    name: str = node.name()
    return name.rstrip("0123456789").removesuffix("Backward")


Rule = Callable[[Any, Tracks, tuple[int, ...], tuple[int, ...]], Tracks]


def _same(node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    """Each number by itself; of fewer axes those in front are missing."""
    missing = len(shape) - len(entered)
    for track in state:
        if track.axis < missing or entered[track.axis - missing] != shape[track.axis]:
            raise UnknownStep(node.name())
    return tuple(replace(track, axis=track.axis - missing) for track in state)


def _window(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    """A convolution or a pool: the centre of the window."""
    if hasattr(node, "_saved_weight"):
        kernel = tuple(node._saved_weight.shape[2:])
    else:
        kernel = tuple(node._saved_kernel_size)
    first = len(entered) - len(kernel)
    stride = tuple(node._saved_stride) or kernel
    padding = _for_each(node._saved_padding, kernel)
    dilation = _for_each(getattr(node, "_saved_dilation", (1,)), kernel)
    moved = []
    for track in state:
        at = track.axis - first
        if at < 0:  # frames or windows in the batch
            raise UnknownStep(node.name())
        offset = (dilation[at] * (kernel[at] - 1) + 1 - stride[at]) / 2 - padding[at]
        if getattr(node, "_saved_transposed", False):
            moved.append(track.through(1 / stride[at], -offset / stride[at]))
        else:
            moved.append(track.through(stride[at], offset))
    return tuple(moved)


def _for_each(numbers: Sequence[int], axes: tuple[int, ...]) -> tuple[int, ...]:
    """One number may stand for all axes."""
    return tuple(numbers) * len(axes) if len(numbers) == 1 else tuple(numbers)


def _rescaled(node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    """Pooled or enlarged to a size, or by a factor that need not fit the sizes."""
    floored = name_of(node).removesuffix("1D").removesuffix("2D").removesuffix("3D")
    moved = []
    for track in state:
        before, after = entered[track.axis], shape[track.axis]
        if getattr(node, "_saved_align_corners", False) and after > 1:
            scale = (before - 1) / (after - 1)
            moved.append(track.through(scale, 0.5 - 0.5 * scale))
            continue
        factor = _factor(node, track.axis)
        scale = before / after if factor is None else 1 / factor
        # The pixel k p / q, rounded down, lies (q - 1) / 2q before that on the average.
        ratio = Fraction(scale).limit_denominator(1024)
        offset = (1 - ratio.numerator) / ratio.denominator / 2
        moved.append(track.through(scale, offset if floored == "UpsampleNearest" else 0.0))
    return tuple(moved)


def _factor(node: Any, axis: int) -> float | None:
    """By how much somebody asked to enlarge an axis of `[b, c, *s]`; torch then goes by that."""
    own = [name for name in _FACTORS if hasattr(node, name)]
    return getattr(node, own[axis - 2]) if 0 <= axis - 2 < len(own) else None


def _padded(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    """Pads, or crops where they are negative."""
    pads = [_signed(one) for one in getattr(node, "_saved_pad", None) or node._saved_padding]
    before = {len(entered) - 1 - k: pads[2 * k] for k in range(len(pads) // 2)}
    return tuple(track.through(1, -before.get(track.axis, 0)) for track in state)


def _mirrored(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    axes = {_axis(one, len(entered)) for one in node._saved_dims}
    return tuple(
        track.through(-1, entered[track.axis]) if track.axis in axes else track for track in state
    )


def _cut(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    cut, size, step = _axis(node._saved_dim, len(entered)), entered, node._saved_step
    start = _signed(node._saved_start)
    start = max(start + size[cut], 0) if start < 0 else start
    return tuple(
        track.through(step, start + (1 - step) / 2) if track.axis == cut else track
        for track in state
    )


def _joined(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    """Side by side along an axis that is none of the grid's; or taken apart along one."""
    if _axis(node._saved_dim, len(entered)) in {track.axis for track in state}:
        raise UnknownStep(node.name())
    return state


def _selected(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    taken = _axis(node._saved_dim, len(entered))
    return tuple(replace(track, axis=track.axis + (track.axis >= taken)) for track in state)


def _stacked(node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    """Put on top of each other along a new axis, or taken off."""
    if len(shape) < len(entered):
        return _selected(node, state, entered, shape)
    return _unsqueezed(node, state, entered, shape)


def _unsqueezed(node: Any, state: Tracks, _: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    new = _axis(node._saved_dim, len(shape))
    if new in {track.axis for track in state}:
        raise UnknownStep(node.name())
    return tuple(replace(track, axis=track.axis - (track.axis > new)) for track in state)


def _permuted(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    if hasattr(node, "_saved_dims"):
        order = [_axis(one, len(entered)) for one in node._saved_dims]
    else:
        order = list(range(len(entered)))
        one, other = (_axis(a, len(entered)) for a in (node._saved_dim0, node._saved_dim1))
        order[one], order[other] = order[other], order[one]
    return tuple(replace(track, axis=order[track.axis]) for track in state)


def _viewed(node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    """An axis with as much in front of it as before is the same one: only others are regrouped."""
    before, after = (
        [(prod(sizes[:k]), sizes[k]) for k in range(len(sizes))] for sizes in (entered, shape)
    )
    moved = []
    for track in state:
        here = after[track.axis]
        # Axes of one place side by side are alike: they are counted from behind.
        place = after[track.axis :].count(here)
        same = [k for k, one in enumerate(before) if one == here]
        if len(same) < place:
            raise UnknownStep(node.name())
        moved.append(replace(track, axis=same[-place]))
    return tuple(moved)


def _reduced(node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]) -> Tracks:
    """A mean over channels, say: the places stay; without `keepdim` its axes are gone."""
    if len(shape) == len(entered):
        return _same(node, state, entered, shape)
    return _without(state, len(entered), {_axis(one, len(entered)) for one in node._saved_dim})


def _squeezed(node: Any, state: Tracks, entered: tuple[int, ...], _: tuple[int, ...]) -> Tracks:
    """Axes of a single place are gone: all such, or those named that are such."""
    named = getattr(node, "_saved_dim", range(len(entered)))
    axes = [_axis(one, len(entered)) for one in ([named] if isinstance(named, int) else named)]
    return _without(state, len(entered), {axis for axis in axes if entered[axis] == 1})


def _without(state: Tracks, axes: int, gone: set[int]) -> Tracks:
    """The places before some of the axes were taken away."""
    left = [axis for axis in range(axes) if axis not in gone]
    return tuple(replace(track, axis=left[track.axis]) for track in state)


def _normalised(
    node: Any, state: Tracks, entered: tuple[int, ...], shape: tuple[int, ...]
) -> Tracks:
    """A layer norm: over channels alone it leaves the places where they are."""
    first = len(entered) - len(node._saved_normalized_shape)
    if any(track.axis >= first for track in state):
        raise UnknownStep(node.name())
    return _same(node, state, entered, shape)


def _axis(number: int, axes: int) -> int:
    return _signed(number) % axes


def _signed(number: int) -> int:
    """Negative numbers come out of a node as unsigned ones."""
    return number - (1 << 64) if number >= 1 << 63 else number


ELEMENTWISE = (
    "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Abs", "Exp", "Log", "Sqrt", "Rsqrt", "Pow", "Clone",
    "ToCopy", "Alias", "Relu", "Threshold", "Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid",
    "Silu", "Gelu", "Elu", "Celu", "LeakyRelu", "PreluKernel", "Mish", "Softplus", "Tanh",
    "Clamp", "ClampMin", "ClampMax", "NativeBatchNorm", "CudnnBatchNorm", "NativeGroupNorm",
    "NativeDropout", "Expand", "Maximum", "Minimum",
)  # fmt: skip
_FACTORS = ("_saved_scales", "_saved_scales_d", "_saved_scales_h", "_saved_scales_w")
VIEWS = ("View", "UnsafeView", "ReshapeAlias")
RULES: dict[str, Rule] = {
    **dict.fromkeys(VIEWS, _viewed),
    **dict.fromkeys(ELEMENTWISE, _same),
    **dict.fromkeys(("Convolution", "CudnnConvolution", "MkldnnConvolution"), _window),
    **dict.fromkeys(("MaxPool2DWithIndices", "MaxPool3DWithIndices"), _window),
    **dict.fromkeys(("AvgPool2D", "AvgPool3D"), _window),
    **dict.fromkeys(("AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool2D"), _rescaled),
    **dict.fromkeys(
        ("UpsampleNearest1D", "UpsampleNearest2D", "UpsampleNearest3D", "UpsampleLinear1D",
         "UpsampleBilinear2D", "UpsampleTrilinear3D", "UpsampleBicubic2D",
         "UpsampleNearestExact2D", "UpsampleBilinear2DAa", "UpsampleBicubic2DAa"), _rescaled,
    ),
    **dict.fromkeys(
        ("ConstantPadNd", "ReflectionPad1D", "ReflectionPad2D", "ReflectionPad3D",
         "ReplicationPad1D", "ReplicationPad2D", "ReplicationPad3D"), _padded,
    ),
    "Flip": _mirrored,
    "Slice": _cut,
    **dict.fromkeys(("Cat", "Split", "UnsafeSplit", "SplitWithSizes"), _joined),
    **dict.fromkeys(("Stack", "Unbind"), _stacked),
    "Select": _selected,
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
    **dict.fromkeys(("Permute", "Transpose"), _permuted),
    **dict.fromkeys(("Mean", "Sum", "Amax"), _reduced),
    "NativeLayerNorm": _normalised,
}  # fmt: skip
"""What each operator does to positions; an operator that is not here is measured."""
