"""Handing things to a model and finding the tensors in what it hands back."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from sightline.errors import LayerError, SightlineError, SurgeryError
from sightline.surgery.grids import Grid, Reader, Shape, infer, stated, unreadable


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A tensor, a tuple of positional or a mapping of keyword arguments, as `(args, kwargs)`."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)), {}


def spatial(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Shape:
    """The spatial size of the picture, the clip."""
    return tuple(picture(args, kwargs).shape[2:])


def picture(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The first tensor with axes beyond batch and channels."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, Tensor) and value.ndim >= 3 and value.is_floating_point():
            return value
    raise SurgeryError(
        "Expected an input with spatial axes, [b, c, *s]; found none among "
        f"{[tuple(v.shape) for v in (*args, *kwargs.values()) if isinstance(v, Tensor)]}. "
        "Pass pictures as [b, 3, height, width]."
    )


def run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the model on copies: a model may write over its input, no graph may keep what inference mode made."""
    return called(model, tuple(_copied(a) for a in args), {name: _copied(a) for name, a in kwargs.items()})


def called(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What the model says. An error of its own says what it was given and what it wants."""
    try:
        return model(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError) as error:
        if not isinstance(error, SightlineError) and not getattr(error, "__notes__", None):
            error.add_note(_came(model, args, kwargs))
        raise


def _came(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [f"{_shape(a)}" for a in args] + [f"{name}={_shape(a)}" for name, a in kwargs.items()]
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    first = next((m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd)), None)
    wants = [f"forward{inspect.signature(model.forward)}"]
    wants += [f"weights in {weight.dtype} on {weight.device}"] if weight is not None else []
    wants += [f"{first.in_channels} channels in its first convolution"] if first is not None else []
    return (
        f"sightline ran {type(model).__name__} on {', '.join(given)}, and the model itself failed. It has "
        f"{', '.join(wants)}. Bring the inputs to that: images.to(dtype), images.to(device), or several inputs as a "
        "tuple or a mapping by name."
    )


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)} on {value.device}"


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) and value.grad_fn is None else value


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


def said(outputs: Any) -> Tensor | None:
    """What a model says in its outputs: the tensor called `logits`, else the first with numbers for each image."""
    named = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    parts = tensors_in(outputs if named is None else named)
    return next((part for part in parts if part.is_floating_point() and part.ndim > 0), None)


def find_map(
    output: Any, images: Shape, name: str, grid: Shape | Reader | None = None
) -> tuple[Tensor, Grid, Callable[[Tensor], Any]]:
    """The feature map in a layer's output, its grid, and how to put another tensor in its place.

    `images` is the shape `[b, c, *s]` of the picture. Tuples, lists, mappings and dataclasses are searched one level
    deep; the first tensor with a grid and as many rows as there are images is the map.
    """
    shapes = []
    for tensor, put in places(output):
        shapes.append(tuple(tensor.shape))
        if grid is not None:
            found = stated(grid, shapes[-1])
            came = found.read(tensor.detach())
            read = tuple(came.shape) if isinstance(came, Tensor) else (type(came).__name__,)
            if len(read) != len(images) or read[0] != images[0]:
                raise LayerError(
                    f"Expected the grid you stated to read layer {name!r} as {images[0]} feature maps "
                    f"[b, c{', s' * (len(images) - 2)}], one an image; from {shapes[-1]} it reads {read}. Change "
                    "grid=, or name a layer outside of windows and frames."
                )
            return tensor, found, put
        if tensor.is_floating_point() and (here := map_in(shapes[-1], images)) is not None:
            return tensor, here, put
    raise unreadable(name, shapes, images)


def map_in(shape: Shape, images: Shape) -> Grid | None:
    """The grid of an output of this shape, if it has one and a row for each image (windows and frames have more)."""
    return infer(shape, images[2:]) if shape and shape[0] == images[0] else None


def places(output: Any) -> Iterator[tuple[Tensor, Callable[[Tensor], Any]]]:
    """Every tensor in a layer's output, one level deep, with how to put another one in its place."""
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
