"""Which tensor of a layer's output is its feature map, and how to put another in its place."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from sightline.errors import LayerError
from sightline.surgery.harness.grids import (
    Channels,
    Grid,
    Shape,
    Stated,
    folded,
    infer,
    stated_grid,
    unreadable_output,
)


def find_map(
    output: Any, images: Shape, name: str, grid: Stated = None
) -> tuple[Tensor, Grid, Callable[[Tensor], Any]]:
    """The feature map in a layer's output, its grid, and how to put another tensor in its place.

    `images` is the shape `[b, c, *s]` of the picture. Tuples, lists, mappings and dataclasses are
    searched one level deep; the first tensor with a grid and as many rows as there are images is
    the map.
    """
    channels = grid if isinstance(grid, Channels) else None
    grid = None if isinstance(grid, Channels) else grid
    shapes = []
    for tensor, put in slots(output):
        shapes.append(tuple(tensor.shape))
        if isinstance(grid, Grid) and (
            not grid.suits(shapes[-1])
            or grid_of(shapes[-1], images) is None
            or is_attention(tensor)
        ):
            continue  # measured on the tensor that has a grid
        if grid is not None:
            found = stated_grid(grid, shapes[-1])
            maps = found.read(tensor.detach())
            came = tuple(maps.shape) if isinstance(maps, Tensor) else (type(maps).__name__,)
            if len(came) != len(images) or came[0] != images[0]:
                raise LayerError(
                    f"Expected the grid you stated to read layer {name!r} as {images[0]} feature"
                    f" maps [b, c{', s' * (len(images) - 2)}], one an image; from {shapes[-1]} it"
                    f" reads {came}. Change grid=, or name a layer outside of windows and frames."
                )
            return tensor, found, put
        if (
            tensor.is_floating_point()
            and (here := grid_of(shapes[-1], images, channels)) is not None
        ):
            return tensor, here, put
    raise unreadable_output(name, shapes, images)


def find_map_at(
    output: Any,
    images: Shape,
    name: str,
    grid: Stated,
    call: int,
) -> tuple[Tensor, Grid, Callable[[Tensor], Any]] | LayerError:
    """The same; an error is raised only where this very run was asked for.

    Else (`call` -1) the last run with a map counts: an activation may run once more on the vector
    that goes into a classifier.
    """
    try:
        return find_map(output, images, name, grid)
    except LayerError as error:
        if call >= 0:
            raise
        return error


def grid_of(shape: Shape, images: Shape, channels: Channels | None = None) -> Grid | None:
    """The grid of an output of this shape, if it has one and a row for each image.

    Layers that see windows have more rows, as have those that see a clip's frames: these are known.
    `channels` is what is known of its channels.
    """
    if not shape or 0 in shape:
        return None
    if shape[0] != images[0]:
        return folded(shape, images, channels)
    return infer(shape, images[2:], channels)


def is_attention(tensor: Tensor) -> bool:
    """Whether these are weights of attention, no map: `[b, heads, n, n]`, rows that sum to one.

    >>> import torch
    >>> is_attention(torch.rand(1, 2, 9, 9).softmax(-1)), is_attention(torch.rand(1, 2, 9, 9))
    (True, False)
    """
    if tensor.ndim != 4 or tensor.shape[2] != tensor.shape[3]:
        return False
    rows = tensor[0].detach().float()
    return bool((rows.sum(-1) - 1).abs().max() < 1e-2) and not bool((rows < 0).any())


def slots(output: Any) -> Iterator[tuple[Tensor, Callable[[Tensor], Any]]]:
    """Every tensor in a layer's output, one level deep, and how to put another in its place."""
    if isinstance(output, Tensor):
        yield output, lambda new: new
    elif isinstance(output, Mapping):
        for key, value in output.items():
            if isinstance(value, Tensor):
                yield value, partial(_with_key, output, key)
    elif isinstance(output, tuple | list):
        for index, value in enumerate(output):
            if isinstance(value, Tensor):
                yield value, partial(_with_index, output, index)
    elif is_dataclass(output) and not isinstance(output, type):
        for entry in fields(output):
            if isinstance(value := getattr(output, entry.name), Tensor):
                yield value, partial(_with_field, output, entry.name)


def _with_key(output: Mapping[str, Any], key: str, new: Tensor) -> Any:
    changed: Any = copy.copy(output)
    changed[key] = new
    return changed


def _with_field(output: Any, name: str, new: Tensor) -> Any:
    return replace(output, **{name: new})


def _with_index(output: Any, index: int, new: Tensor) -> Any:
    parts = [*output[:index], new, *output[index + 1 :]]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
