"""Handing things to a model and finding the tensors in what it hands back."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from sightline.errors import LayerError, SightlineError, SurgeryError
from sightline.surgery.harness.grids import Grid, Reader, Shape, infer, stated, unreadable


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A tensor, a tuple of positional or a mapping of keyword arguments, as `(args, kwargs)`."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)), {}


def spatial(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Shape:
    """The spatial size of the picture, the clip."""
    return extent(args, kwargs)[2:]


def extent(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Shape:
    """The shape `[b, c, *s]` of the picture, whatever order its axes have in memory.

    Clips may come with the time before the channels, `[b, t, 3, h, w]`, as in transformers.
    Pictures may come cut into patches `[b, n, pixels]` beside `spatial_shapes` `[b, 2]` or
    `patch_coord` `[b, n, 2]` (native resolution): then a patch is a place.

    >>> import torch
    >>> extent((), {"pixel_values_videos": torch.zeros(1, 8, 3, 32, 32)})
    (1, 3, 8, 32, 32)
    >>> patches = {
    ...     "pixel_values": torch.zeros(2, 64, 48),
    ...     "spatial_shapes": torch.tensor([[4, 12], [4, 12]]),
    ... }
    >>> extent((), patches)
    (2, 48, 4, 12)
    """
    shape = tuple(picture(args, kwargs).shape)
    if len(shape) == 5 and shape[2] in (1, 3) and shape[1] not in (1, 3):
        return shape[0], shape[2], shape[1], *shape[3:]
    sizes = _patches(kwargs) if len(shape) == 3 else None
    return shape if sizes is None else (shape[0], shape[2], *sizes)


def _patches(kwargs: Mapping[str, Any]) -> Shape | None:
    """How many rows and columns of patches each picture was cut into."""
    if isinstance(stated := kwargs.get("spatial_shapes"), Tensor) and stated.ndim == 2:
        sizes = stated
    elif isinstance(places := kwargs.get("patch_coord"), Tensor) and places.ndim == 3:
        sizes = places.amax(1) + 1
    else:
        return None
    if bool((sizes != sizes[:1]).any()):
        raise SurgeryError(
            "Expected pictures cut into equally many rows and columns of patches; got"
            f" {sizes.tolist()}. Explain those of one size together, or each by itself: their maps"
            " have different grids."
        )
    return tuple(sizes[0].tolist())


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
    """Call the model on copies: a model may write over its input, no graph may keep what inference
    mode made.
    """
    return called(
        model, tuple(_copied(a) for a in args), {name: _copied(a) for name, a in kwargs.items()}
    )


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
        f"sightline ran {type(model).__name__} on {', '.join(given)}, and the model itself failed."
        f" It has {', '.join(wants)}. Bring the inputs to that: images.to(dtype),"
        " images.to(device), or several inputs as a tuple or a mapping by name."
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


_SAYING = (
    "logits",
    "logits_per_image",
    "class_queries_logits",
    "pooler_output",
    "image_embeds",
    "last_hidden_state",
)
"""What a model says, by the names that transformers gives it, the most telling first."""


def said(outputs: Any) -> Tensor | None:
    """What a model says: the tensor called `logits` or the like, else the first `[b, k]`, else the
    first.

    >>> import torch
    >>> said({"last_hidden_state": torch.zeros(2, 50, 8), "pooler_output": torch.zeros(2, 8)}).shape
    torch.Size([2, 8])
    """
    held = outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})
    named = next((held[name] for name in _SAYING if held.get(name) is not None), outputs)
    parts = [one for one in tensors_in(named) if one.is_floating_point() and one.ndim]
    return next((part for part in parts if part.ndim == 2), parts[0] if parts else None)


def find_map(
    output: Any, images: Shape, name: str, grid: Shape | Reader | None = None
) -> tuple[Tensor, Grid, Callable[[Tensor], Any]]:
    """The feature map in a layer's output, its grid, and how to put another tensor in its place.

    `images` is the shape `[b, c, *s]` of the picture. Tuples, lists, mappings and dataclasses are
    searched one level deep; the first tensor with a grid and as many rows as there are images is
    the map.
    """
    shapes = []
    for tensor, put in places(output):
        shapes.append(tuple(tensor.shape))
        if isinstance(grid, Grid) and (map_in(shapes[-1], images) is None or is_attention(tensor)):
            continue  # measured on the tensor that has a grid
        if grid is not None:
            found = stated(grid, shapes[-1])
            came = found.read(tensor.detach())
            read = tuple(came.shape) if isinstance(came, Tensor) else (type(came).__name__,)
            if len(read) != len(images) or read[0] != images[0]:
                raise LayerError(
                    f"Expected the grid you stated to read layer {name!r} as {images[0]} feature"
                    f" maps [b, c{', s' * (len(images) - 2)}], one an image; from {shapes[-1]} it"
                    f" reads {read}. Change grid=, or name a layer outside of windows and frames."
                )
            return tensor, found, put
        if tensor.is_floating_point() and (here := map_in(shapes[-1], images)) is not None:
            return tensor, here, put
    raise unreadable(name, shapes, images)


def map_in(shape: Shape, images: Shape) -> Grid | None:
    """The grid of an output of this shape, if it has one and a row for each image (windows and
    frames have more).
    """
    return infer(shape, images[2:]) if shape and shape[0] == images[0] else None


def is_attention(tensor: Tensor) -> bool:
    """Whether these are weights of attention, `[b, heads, n, n]` with rows that sum to one: no map
    of the picture.

    >>> import torch
    >>> is_attention(torch.rand(1, 2, 9, 9).softmax(-1)), is_attention(torch.rand(1, 2, 9, 9))
    (True, False)
    """
    if tensor.ndim != 4 or tensor.shape[2] != tensor.shape[3]:
        return False
    rows = tensor[0].detach().float()
    return bool((rows.sum(-1) - 1).abs().max() < 1e-2) and not bool((rows < 0).any())


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
