"""Handing things to a model and finding the tensors in what it hands back."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.grids import Grid, Reader, Shape, infer, stated, unreadable


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A tensor, a tuple of positional or a mapping of keyword arguments, as `(args, kwargs)`."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)), {}


def spatial(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Shape:
    """The spatial size of the first tensor with axes beyond batch and channels: the picture, the clip."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor) and value.ndim >= 3 and value.is_floating_point():
            return tuple(value.shape[2:])
    raise SurgeryError(
        "Expected an input with spatial axes, [b, c, *s]; found none among "
        f"{[tuple(v.shape) for v in (*args, *kwargs.values()) if isinstance(v, Tensor)]}. "
        "Pass pictures as [b, 3, height, width]."
    )


def run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the model. Tensors made in inference mode are copied first: no graph may keep them."""
    return model(*(_ordinary(a) for a in args), **{name: _ordinary(a) for name, a in kwargs.items()})


def _ordinary(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nest of tuples, lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in(vars(value))


def find_map(
    output: Any, image: Shape, name: str, grid: Shape | Reader | None = None
) -> tuple[Tensor, Grid, Callable[[Tensor], Any]]:
    """The feature map in a layer's output, its grid, and how to put another tensor in its place.

    Tuples, lists and mappings are searched one level deep; the first tensor with a grid is the map.
    """
    shapes = []
    for tensor, put in _places(output):
        shapes.append(tuple(tensor.shape))
        if grid is not None:
            return tensor, stated(grid, shapes[-1]), put
        if tensor.is_floating_point() and (found := infer(shapes[-1], image)) is not None:
            return tensor, found, put
    raise unreadable(name, shapes, image)


def _places(output: Any) -> Iterator[tuple[Tensor, Callable[[Tensor], Any]]]:
    if isinstance(output, Tensor):
        yield output, lambda new: new
    elif isinstance(output, Mapping):
        for key, value in output.items():
            if isinstance(value, Tensor):
                yield value, lambda new, key=key: _with_key(output, key, new)  # type: ignore[misc]
    elif isinstance(output, tuple | list):
        for index, value in enumerate(output):
            if isinstance(value, Tensor):
                yield value, lambda new, index=index: _with_index(output, index, new)  # type: ignore[misc]


def _with_key(output: Mapping[str, Any], key: str, new: Tensor) -> Any:
    changed: Any = copy.copy(output)
    changed[key] = new
    return changed


def _with_index(output: Any, index: int, new: Tensor) -> Any:
    parts = [*output[:index], new, *output[index + 1 :]]
    return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
