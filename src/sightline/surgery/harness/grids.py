"""Where the positions are: any layer's output, read as `[b, c, *s]`.

Convolutional networks put channels first, some put them last (`[b, h, w, c]`: Swin, MetaFormers),
transformers return tokens (`[b, n, c]`: class, register and distillation tokens first, then the
grid row by row). Which of these it is follows from the shape and the size of the input: a feature
map has the input's proportions.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.errors import LayerError
from sightline.surgery.harness.readings import Reading

Shape = tuple[int, ...]
Reader = Callable[[Tensor], Tensor]
MOST_PREFIX = 20
"""More leading tokens than this are taken for a grid not understood (class + registers: 1 to 17 in
use).
"""


@dataclass(frozen=True)
class Grid:
    """How a layer's output is laid out.

    `prefix` tokens stand before the grid of a token sequence (others may stand behind it);
    `certain` tells whether the grid has the proportions of the input; `reader` is the user's own
    function, where one was given; `reading` says how the places lie where they are not laid out as
    usual. A grid may be called, and so be stated where such a function may be.

    >>> Grid("tokens", (2, 3), prefix=1).read(torch.zeros(5, 7, 4)).shape
    torch.Size([5, 4, 2, 3])
    """

    kind: Literal["channels first", "channels last", "tokens", "own"]
    size: Shape
    prefix: int = 0
    certain: bool = True
    reader: Reader | None = None
    reading: Reading | None = field(default=None, repr=False)

    def read(self, tensor: Tensor) -> Tensor:
        """The output (or its gradient) as `[b, c, *s]`, without a copy.

        A leading axis of classes may stand before.
        """
        maps = self._read(tensor)
        return maps if self.reading is None else self.reading(maps)

    def _read(self, tensor: Tensor) -> Tensor:
        if self.reader is not None:
            return self.reader(tensor)
        if self.kind == "channels first":
            return tensor
        if self.kind == "tokens":
            tensor = tensor[:, self.prefix : self.prefix + self.positions].unflatten(1, self.size)
        return tensor.movedim(-1, 1)

    __call__ = read

    @property
    def positions(self) -> int:
        """How many positions the grid has."""
        return math.prod(self.size)

    def write(self, canonical: Tensor, original: Tensor) -> Tensor:
        """`[b, c, *s]` as the layer lays it out, other tokens as they were; undoes `read`."""
        if self.reader is not None:
            raise LayerError(
                "Expected a grid that can be written back; this one is read by a function of your"
                " own, which has no inverse. Name the grid as sizes instead: grid=(height, width)."
            )
        if self.reading is not None:
            canonical = self.reading.undone(canonical)
        if self.kind == "channels first":
            return canonical
        moved = canonical.movedim(1, -1)
        if self.kind == "channels last":
            return moved
        before, behind = original[:, : self.prefix], original[:, self.prefix + self.positions :]
        return torch.cat([before, moved.flatten(1, -2), behind], dim=1)


@lru_cache(maxsize=4096)
def infer(shape: Shape, image: Shape) -> Grid | None:
    """The grid of an output of this shape, for an input of the spatial size `image`; None: no grid.

    >>> infer((8, 2048, 7, 7), (224, 224)).kind, infer((8, 7, 7, 768), (224, 224)).kind
    ('channels first', 'channels last')
    >>> infer((8, 201, 384), (224, 224))
    Grid(kind='tokens', size=(14, 14), prefix=5, certain=True, reader=None)
    """
    axes = len(image)
    if len(shape) == axes + 2:
        first, last = shape[2:], shape[1:-1]
        if fits(first, image) or not fits(last, image):
            return Grid("channels first", first, certain=fits(first, image))
        return Grid("channels last", last)
    if len(shape) == 3 and axes >= 2:
        return token_grid(shape[1], image)
    return None


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
    """
    best: Grid | None = None
    for size in _strided(image):
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

    For clips, with one stride in time, too.
    """
    plane = image[-2:]
    times = [()] if len(image) == 2 else [(max(1, image[0] // step),) for step in (1, 2, 4, 8, 16)]
    for time in times:
        for stride in range(1, max(plane) + 1):
            for size in (tuple(i // stride for i in plane), tuple(-(-i // stride) for i in plane)):
                if min(size) >= 1:
                    yield (*time, *size)
