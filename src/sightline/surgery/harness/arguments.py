"""What a model is called with: tensors, alone or in lists and dicts, and the image among them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.harness.model_io import mapped, tensors_in

NO_AXIS = 0
"""Said of the axis of the channels where there is none: of waveforms `[b, samples]`."""


def arguments(
    inputs: Any, model: nn.Module | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A tensor, a tuple of positional or a mapping of keyword arguments, as `(args, kwargs)`.

    A mapping is one argument where the `model` takes one and knows none of its names, as a loader's
    batch. Tensors of a class of their own (an image of fastai, of torchvision) become plain ones.

    >>> arguments({"image": 1})
    ((), {'image': 1})
    >>> class Loaded(nn.Module):
    ...     def forward(self, batch):
    ...         return batch["image"]
    >>> arguments({"image": 1}, Loaded())
    (({'image': 1},), {})
    """
    if isinstance(inputs, Mapping):
        named = {name: mapped(value, plain) for name, value in inputs.items()}
        return ((named,), {}) if model is not None and _takes_one(model, named) else ((), named)
    several = inputs if isinstance(inputs, tuple | list) else (inputs,)
    return tuple(mapped(value, plain) for value in several), {}


def _takes_one(model: nn.Module, named: Mapping[str, Any]) -> bool:
    """Whether a mapping is what the model's only argument is; no layer of PyTorch takes one."""
    while isinstance(model, nn.Sequential) and len(model):
        model = model[0]
    if type(model).__module__.startswith("torch.nn.modules."):
        return False
    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # no code of Python
        return False
    known = {one.name for one in parameters}
    needed = [
        one
        for one in parameters
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters)
    return bool(named) and len(needed) == 1 and not open_ended and known.isdisjoint(named)


def takes_a_list(model: nn.Module) -> bool:
    """Whether a model's `forward` says of its first argument that it is a list.

    >>> class Views(nn.Module):
    ...     def forward(self, views: list[Tensor]) -> Tensor:
    ...         return views[0]
    >>> takes_a_list(Views()), takes_a_list(nn.ReLU())
    (True, False)
    """
    try:
        first = next(iter(inspect.signature(model.forward).parameters.values()), None)
    except (TypeError, ValueError):  # no code of Python
        return False
    said = "" if first is None else str(first.annotation)
    return said.removeprefix("typing.").lower().startswith(("list", "sequence", "tuple"))


def plain(tensor: Tensor) -> Tensor:
    """The tensor as PyTorch's own class, sharing its memory; what computes in its own way stays."""
    kind = type(tensor)
    if kind is Tensor or kind is nn.Parameter:
        return tensor
    own_way = getattr(kind, "__torch_dispatch__", None)
    return tensor.as_subclass(Tensor) if own_way == Tensor.__torch_dispatch__ else tensor


def image_among(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """The first tensor with axes beyond batch and channels; else the first waveform `[b, samples]`.

    Raises `SurgeryError` where there is neither.
    """
    floats = [one for one in tensors_in((args, kwargs)) if one.is_floating_point()]
    for least in (3, 2):
        for one in floats:
            if one.ndim >= least:
                return one
    raise no_image(args, kwargs)


def no_image(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> SurgeryError:
    """The error for arguments without an image."""
    return SurgeryError(
        "Expected an input with spatial axes, [b, c, *s]; found none among "
        f"{[tuple(one.shape) for one in tensors_in((args, kwargs))]}. "
        "Pass pictures as [b, 3, height, width]; of waveforms say axes='b samples'."
    )


def takes_waveforms(model: nn.Module) -> bool:
    """Whether its first convolution goes along one axis and has one channel, which it puts in.

    >>> takes_waveforms(nn.Conv1d(1, 4, 3)), takes_waveforms(nn.Conv1d(12, 4, 3))
    (True, False)
    """
    first = next((one for one in model.modules() if isinstance(one, nn.modules.conv._ConvNd)), None)
    return isinstance(first, nn.Conv1d) and first.in_channels == 1


def replaced(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], change: Callable[[Tensor], Tensor]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with each tensor changed, wherever it stands."""
    return (
        tuple(mapped(value, change) for value in args),
        {name: mapped(value, change) for name, value in kwargs.items()},
    )


def channels_second(image: Tensor, channel_axis: int, lead: int = 0) -> Tensor:
    """A view of an image as `[b, c, *s]`, with so many axes in front; itself where it is that.

    >>> import torch
    >>> channels_second(torch.zeros(2, 8, 3), 2).shape, channels_second(torch.zeros(2, 8), 0).shape
    (torch.Size([2, 3, 8]), torch.Size([2, 1, 8]))
    """
    if channel_axis == NO_AXIS:
        return image.unsqueeze(1 + lead)
    return image if channel_axis == 1 else image.movedim(channel_axis + lead, 1 + lead)


def as_handed_in(picture: Tensor, channel_axis: int) -> Tensor:
    """The other way round: `[b, c, *s]` in the order in which the image was handed in.

    >>> import torch
    >>> as_handed_in(torch.zeros(2, 3, 8), 2).shape, as_handed_in(torch.zeros(2, 1, 8), 0).shape
    (torch.Size([2, 8, 3]), torch.Size([2, 8]))
    """
    return picture.squeeze(1) if channel_axis == NO_AXIS else picture.movedim(1, channel_axis)
