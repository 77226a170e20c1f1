"""Where the places of a layer lie on the picture, read off the graph that autograd recorded.

A convolution, a pool, a pad, a crop, a mirror: each says exactly where on its input a place of its
output is centred, and what works on each number by itself moves nothing. So behind a chain of these
the pixel of a place is a u + b, and the whole is known without a number being computed. Where
something else lies on the way (attention, a window, a sort), this says so, and measuring decides.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

from torch import Tensor
from torch.autograd.function import BackwardCFunction


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


def tracks(node: Tensor, leaf: Tensor, axes: Sequence[int]) -> list[Tracks]:
    """How the `axes` of a tensor lie on the leaf of its graph, once for each essentially other way.

    Nothing where no way leads there. Raises `UnknownStep` with the name of an operator that is not
    known to be local.

    >>> import torch
    >>> x = torch.rand(1, 3, 16, 16, requires_grad=True)
    >>> y = torch.nn.functional.avg_pool2d(x.flip(3), 4)
    >>> tracks(y, x, (2, 3))[0][1]
    Track(axis=3, scale=-4.0, low=16.0, high=16.0)
    """
    start = tuple(Track(axis) for axis in axes)
    if node is leaf:
        return [start]
    held: dict[Any, dict[Any, Tracks]] = {node.grad_fn: {_kind(start): start}}
    found: dict[Any, Tracks] = {}
    way = _way(node.grad_fn, leaf)
    for step in way:
        for state in held.pop(step, {}).values():
            if not step.next_functions:
                _put(found, state)
                continue
            for child, seen in _earlier(step, state, way):
                _put(held.setdefault(child, {}), seen)
    return list(found.values())


def _kind(state: Tracks) -> Any:
    return tuple((track.axis, round(track.scale, 6)) for track in state)


def _put(states: dict[Any, Tracks], state: Tracks) -> None:
    """Beside a way that differs in the offset alone, the two are one that is less certain."""
    known = states.get(_kind(state), state)
    states[_kind(state)] = tuple(
        replace(one, low=min(one.low, other.low), high=max(one.high, other.high))
        for one, other in zip(known, state, strict=True)
    )


def _way(root: Any, leaf: Tensor) -> dict[Any, None]:
    """Every node that leads to the leaf, each after all that it feeds."""
    order: list[Any] = []
    seen, stack = {root}, [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in seen:
                seen.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            stack.pop()
            order.append(node)
    leading: set[Any] = set()
    for node in order:
        if getattr(node, "variable", None) is leaf or _among(node, leading):
            leading.add(node)
    return dict.fromkeys(node for node in order[::-1] if node in leading)


def _among(node: Any, nodes: Container[Any]) -> list[tuple[Any, int]]:
    """Those of what an operator was given that belong to some nodes: weights do not."""
    return [(child, output) for child, output in node.next_functions if child in nodes]


def _earlier(node: Any, state: Tracks, way: Container[Any]) -> Iterator[tuple[Any, Tracks]]:
    """What made the tensors that went into an operator, and where the places lie on them."""
    name, shape = _name(node), _shape(node, 0)
    if name in _VIEWS and (entered := _linear(node, shape, state, way)) is not None:
        yield entered, state
        return
    rule = _RULES.get(name)
    if rule is None or isinstance(node, BackwardCFunction):  # of somebody's own, whatever its name
        raise UnknownStep(name)
    for child, output in _among(node, way):
        if not _one_for_all(shape, _shape(child, output), state, name):
            yield child, rule(node, state, _shape(child, output), shape)


def _name(node: Any) -> str:
    name: str = node.name()
    return name.rstrip("0123456789").removesuffix("Backward")


def _linear(node: Any, shape: tuple[int, ...], state: Tracks, way: Container[Any]) -> Any:
    """What went into a linear layer over the last axis: to autograd a product between two views.

    The matrix is the same for all pictures: one that was made of them is no layer's.
    """
    product = node.next_functions[0][0]
    name = None if product is None else _name(product)
    if name not in ("Mm", "Addmm"):
        return None
    rows = product.next_functions[name == "Addmm"]
    if _among(product, way) != [rows] or _name(rows[0]) not in _VIEWS:
        return None
    child, output = rows[0].next_functions[0]
    if any(track.axis == len(shape) - 1 for track in state):
        return None
    return child if _shape(child, output)[:-1] == shape[:-1] else None


def _shape(node: Any, output: int) -> tuple[int, ...]:
    """The shape of what an operator returned; a leaf comes out of the node that gathers for it."""
    variable = getattr(node, "variable", None)
    return tuple(variable.shape if variable is not None else node._input_metadata[output].shape)


def _one_for_all(
    shape: tuple[int, ...], entered: tuple[int, ...], state: Tracks, name: str
) -> bool:
    """Whether what entered is one value for all places: a gate, a bias, a class's own weight."""
    if name not in _ELEMENTWISE:
        return False
    missing = len(shape) - len(entered)
    sizes = [entered[track.axis - missing] if track.axis >= missing else 1 for track in state]
    return all(size == 1 for size in sizes) and any(shape[track.axis] > 1 for track in state)


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
    floored = _name(node).removesuffix("1D").removesuffix("2D").removesuffix("3D")
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


_ELEMENTWISE = (
    "Add", "Sub", "Rsub", "Mul", "Div", "Neg", "Abs", "Exp", "Log", "Sqrt", "Rsqrt", "Pow", "Clone",
    "ToCopy", "Alias", "Relu", "Threshold", "Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid",
    "Silu", "Gelu", "Elu", "Celu", "LeakyRelu", "PreluKernel", "Mish", "Softplus", "Tanh",
    "Clamp", "ClampMin", "ClampMax", "NativeBatchNorm", "CudnnBatchNorm", "NativeGroupNorm",
    "NativeDropout", "Expand", "Maximum", "Minimum",
)  # fmt: skip
_FACTORS = ("_saved_scales", "_saved_scales_d", "_saved_scales_h", "_saved_scales_w")
_VIEWS = ("View", "UnsafeView", "ReshapeAlias")
_RULES: dict[str, Rule] = {
    **dict.fromkeys(_VIEWS, _viewed),
    **dict.fromkeys(_ELEMENTWISE, _same),
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
