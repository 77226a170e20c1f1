"""Where the positions are: any layer's output, read as `[b, c, *s]`.

Convolutional networks put channels first, some put them last (`[b, h, w, c]`: Swin, MetaFormers),
or behind the time of a clip whose frames they see one by one (`[b, t, c, h, w]`, or folded into the
batch, `[b * t, c, h, w]`); transformers return tokens (`[b, n, c]`: class, register and
distillation tokens first, then the grid row by row). Which of these it is follows from what made
the output, where that is known: a convolution puts the channels first, whatever the sizes. Else it
follows from the shape and the size of the input: a feature map has the input's proportions.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import LayerError
from sightline.surgery.harness.turns import Turn

Shape = tuple[int, ...]
Reader = Callable[[Tensor], Tensor]
MOST_PREFIX = 20
"""More leading tokens than this are taken for a grid not understood (class + registers: 1 to 17 in
use).
"""


@dataclass(frozen=True)
class Channels:
    """Which axis of an output holds the channels, by what made it.

    `sure` tells that a convolution or its like said so. A linear layer works along the last axis,
    but may as well mix the places of a map that was turned round for it.
    """

    axis: int
    sure: bool


@dataclass(frozen=True)
class Grid:
    """How a layer's output is laid out.

    `prefix` tokens stand before the grid of a token sequence (others may stand behind it);
    `certain` tells whether the grid has the proportions of the input; `reader` is the user's own
    function, where one was given. `order` are the picture's axes as the tokens count them, the
    slowest first; None: row by row, as a picture is written. `turn` says how the grid
    lies over the picture where it was found to be transposed, mirrored or moved. A grid may be
    called, and so be stated where such a function may be.

    >>> Grid("tokens", (2, 3), prefix=1).read(torch.zeros(5, 7, 4)).shape
    torch.Size([5, 4, 2, 3])
    >>> columns = Grid("tokens", (2, 3), order=(1, 0))
    >>> columns.read(torch.arange(6).view(1, 6, 1)).tolist()
    [[[[0, 2, 4], [1, 3, 5]]]]
    """

    kind: Literal["channels first", "channels last", "frames", "folded", "tokens", "own"]
    size: Shape
    prefix: int = 0
    certain: bool = True
    reader: Reader | None = None
    order: Shape | None = None
    turn: Turn | None = field(default=None, repr=False)

    def read(self, tensor: Tensor) -> Tensor:
        """The output (or its gradient) as `[b, c, *s]`, without a copy.

        A leading axis of classes may stand before.
        """
        maps = self._read(tensor)
        return maps if self.turn is None else self.turn(maps)

    def _read(self, tensor: Tensor) -> Tensor:
        if self.reader is not None:
            return self.reader(tensor)
        if self.kind == "channels first":
            return tensor
        if self.kind == "folded":
            frames: Tensor = tensor.unflatten(0, (-1, self.size[0]))
            return frames.movedim(2, 1)
        if self.kind != "tokens":
            return tensor.movedim(self.channel_axis, 1)
        order = self.order or tuple(range(len(self.size)))
        tokens = tensor[:, self.prefix : self.prefix + self.positions]
        counted = tokens.unflatten(1, tuple(self.size[axis] for axis in order))
        places = (1 + order.index(axis) for axis in range(len(order)))
        canonical: Tensor = counted.permute(0, len(order) + 1, *places)
        return canonical

    __call__ = read

    @property
    def channel_axis(self) -> int:
        """Which axis of the output holds the channels."""
        return {"channels first": 1, "folded": 1, "frames": 2}.get(self.kind, -1)

    @property
    def positions(self) -> int:
        """How many positions the grid has."""
        return math.prod(self.size)

    def suits(self, shape: Shape) -> bool:
        """Whether an output of this shape can be read so."""
        if self.kind == "tokens":
            return len(shape) == 3 and shape[1] >= self.prefix + self.positions
        folded = self.kind == "folded"
        return self.kind == "own" or len(shape) == len(self.size) + (1 if folded else 2)

    def write(self, canonical: Tensor, original: Tensor) -> Tensor:
        """`[b, c, *s]` as the layer lays it out, other tokens as they were; undoes `read`."""
        if self.reader is not None:
            raise LayerError(
                "Expected a grid that can be written back; this one is read by a function of your"
                " own, which has no inverse. Name the grid as sizes instead: grid=(height, width)."
            )
        if self.turn is not None:
            canonical = self.turn.undone(canonical)
        if self.kind == "channels first":
            return canonical
        if self.kind == "folded":
            return canonical.movedim(1, 2).flatten(0, 1)
        if self.kind != "tokens":
            return canonical.movedim(1, self.channel_axis)
        order = self.order or tuple(range(len(self.size)))
        moved = canonical.permute(0, *(2 + axis for axis in order), 1)
        before, behind = original[:, : self.prefix], original[:, self.prefix + self.positions :]
        return torch.cat([before, moved.flatten(1, -2), behind], dim=1)


Stated = Shape | Reader | Channels | None
"""How a layer is to be read: as the user states it (sizes, a function), or as was found out."""


@lru_cache(maxsize=4096)
def infer(shape: Shape, image: Shape, channels: Channels | None = None) -> Grid | None:
    """The grid of an output of this shape, for an input of the spatial size `image`; None: no grid.

    `channels` is what is known of the axis of its channels.

    >>> infer((8, 2048, 7, 7), (224, 224)).kind, infer((8, 7, 7, 768), (224, 224)).kind
    ('channels first', 'channels last')
    >>> infer((8, 7, 7, 768), (224, 224), Channels(1, sure=True)).kind
    'channels first'
    >>> infer((8, 201, 384), (224, 224)).size, infer((8, 201, 384), (224, 224)).prefix
    ((14, 14), 5)
    """
    axes, sure = len(image), channels is not None and channels.sure
    axis = None if channels is None else channels.axis % max(1, len(shape))
    if len(shape) == axes + 2:
        first, last = shape[2:], shape[1:-1]
        if axis == 1 and (sure or fits(first, image)):
            return Grid("channels first", first, certain=_is_map(first, image, sure))
        if axis == axes + 1 and (sure or fits(last, image)):
            return Grid("channels last", last, certain=_is_map(last, image, sure))
        if axis == 2 and sure and axes == 3:
            return Grid("frames", (shape[1], *shape[3:]))
        if sure:
            return None
        if fits(first, image) or not fits(last, image):
            return Grid("channels first", first, certain=fits(first, image))
        return Grid("channels last", last)
    if len(shape) == 3 and axes >= 2 and not (sure and axis == 1):
        return token_grid(shape[1], image)
    return None


def folded(shape: Shape, images: Shape, channels: Channels | None = None) -> Grid | None:
    """The grid of frames that were folded into the batch, a clip's one after another.

    `images` is the shape `[b, c, t, h, w]` of the clips.

    >>> folded((8, 16, 7, 7), (2, 3, 4, 56, 56)).size
    (4, 7, 7)
    """
    if len(images) != 5 or images[2] < 2 or shape[0] != images[0] * images[2]:
        return None
    one = infer(shape, images[3:], channels)
    if one is None or one.kind != "channels first" or not one.certain:
        return None
    return Grid("folded", (images[2], *one.size))


def _is_map(size: Shape, image: Shape, sure: bool) -> bool:
    """Whether it is taken for a map of the picture: by its proportions, or what a convolution made.

    A stride may be other for rows than for columns; but what has one row of a picture with many is
    a part of a computation, as are rows and columns one after another.
    """
    sides = list(zip(size, image, strict=True))
    whole = all(n <= side and (n > 1 or side == 1) for n, side in sides)
    return fits(size, image) or (sure and whole)


def stated_grid(grid: Shape | Reader, shape: Shape) -> Grid:
    """The grid a user states.

    Its sizes, a function from the layer's output to `[b, c, *s]`, or a `Grid` itself.
    """
    if isinstance(grid, Grid):
        return grid
    if callable(grid):
        return Grid("own", (), reader=grid)
    positions = math.prod(grid)
    if shape[2:] == tuple(grid):
        return Grid("channels first", tuple(grid))
    if shape[1:-1] == tuple(grid):
        return Grid("channels last", tuple(grid))
    if len(shape) == 3 and shape[1] >= positions:
        return Grid("tokens", tuple(grid), prefix=shape[1] - positions)
    raise LayerError(
        f"Expected a layer output with the grid {tuple(grid)} that you named; it has the shape"
        f" {shape}. Give sizes that match, or a function from this output to [b, c, height, width]."
    )


def stated_for(name: str, grid: Any) -> Any:
    """What is stated of one layer, where each has its own."""
    return grid.get(name) if isinstance(grid, Mapping) else grid


def unreadable_output(name: str, shapes: list[Shape], images: Shape) -> LayerError:
    """The error for an output without a grid, with a snippet that is ready to be changed."""
    seen = ", ".join(str(shape) for shape in shapes) or "no tensor at all"
    return LayerError(
        f"Expected layer {name!r} to return feature maps [b, c, *s], [b, *s, c] or tokens [b, n, c]"
        f" over an input of size {images[2:]}, one for each of the {images[0]} images; it returned"
        f" {seen}. Name another layer (sightline.layers(model, images) lists those that work), or"
        " say how to read this one: explain(..., grid=lambda out: out[:, 1:].unflatten(1, (height,"
        " width)).movedim(-1, 1))."
    )


def fits(size: Shape, image: Shape) -> bool:
    """Whether a grid has the input's proportions: one stride for both sides, up to rounding.

    >>> fits((7, 7), (224, 224)), fits((7, 10), (224, 320)), fits((12, 197), (224, 224))
    (True, True, False)
    """
    if len(size) != len(image) or any(s < 1 or s > i + 1 for s, i in zip(size, image, strict=True)):
        return False
    plane = list(zip(size, image, strict=True))[-2:]  # time has a stride of its own
    low = max(i / (s + 1) for s, i in plane)
    high = min(i / (s - 1) if s > 1 else float("inf") for s, i in plane)
    return low <= high


def token_grid(count: int, image: Shape) -> Grid | None:
    """The grid of so many tokens: the one with the fewest left over before it.

    >>> token_grid(50, (224, 224)).size, token_grid(7, (224, 320)).size
    ((7, 7), (2, 3))
    >>> token_grid(65, (32, 32, 32)).size, token_grid(1568, (16, 224, 224)).size
    ((4, 4, 4), (8, 14, 14))
    """
    return _fewest_left_over(count, _strided(image)) or _fewest_left_over(count, _cut(image))


def _fewest_left_over(count: int, sizes: Iterable[Shape]) -> Grid | None:
    best: Grid | None = None
    for size in sizes:
        positions = math.prod(size)
        prefix = count - positions
        if (
            0 <= prefix <= MOST_PREFIX
            and positions > prefix
            and (best is None or prefix < best.prefix)
        ):
            best = Grid("tokens", size, prefix=prefix)
    return best


def _strided(image: Shape) -> Iterator[Shape]:
    """Every grid that one spatial stride could give, small strides first.

    For clips, with one stride in time, too; for volumes, which are about as deep as they are wide,
    first those of one stride for all three axes.
    """
    plane = image[-2:]
    strides = range(1, max(plane) + 1)
    if len(image) == 2:
        yield from _planes(plane, strides)
        return
    if 2 * min(image) >= max(image):
        for stride in strides:
            yield from {tuple(i // stride for i in image), tuple(-(-i // stride) for i in image)}
    for step in (1, 2, 4, 8, 16):
        yield from ((max(1, image[0] // step), *size) for size in _planes(plane, strides))


def _cut(image: Shape) -> Iterator[Shape]:
    """Every way to cut a volume or a clip into equal parts: which it is has to be measured."""
    if len(image) == 3:
        yield from product(*([n for n in range(side, 0, -1) if side % n == 0] for side in image))


def _planes(plane: Shape, strides: Iterable[int]) -> Iterator[Shape]:
    for stride in strides:
        for size in (tuple(i // stride for i in plane), tuple(-(-i // stride) for i in plane)):
            if min(size) >= 1:
                yield size
