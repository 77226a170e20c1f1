"""Calling a model, and finding the tensors in what it hands back."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.tensors import first_weight


def run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the model on copies of the arguments: it may write over its input.

    And no graph may keep what was made in inference mode.
    """
    return call_model(
        model, tuple(_copied(a) for a in args), {name: _copied(a) for name, a in kwargs.items()}
    )


def call_model(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What the model says. An error of its own says what it was given and what it wants."""
    try:
        return model(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError) as error:
        if not isinstance(error, SightlineError) and not getattr(error, "__notes__", None):
            error.add_note(_what_came(model, args, kwargs))
        raise


def _what_came(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [_shape(a) for a in args] + [f"{name}={_shape(a)}" for name, a in kwargs.items()]
    weight = first_weight(model)
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
    """What is part of a graph stays itself: the caller wants derivatives with respect to it."""
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


MAIN_OUTPUTS = (
    "logits",
    "logits_per_image",
    "class_queries_logits",
    "pooler_output",
    "image_embeds",
    "last_hidden_state",
)
"""What a model says, by the names that transformers gives it, the most telling first."""


def main_output(outputs: Any) -> Tensor | None:
    """What a model says: the tensor of the most telling name, else the first `[b, k]` or the first.

    >>> import torch
    >>> outputs = {"last_hidden_state": torch.zeros(2, 50, 8), "pooler_output": torch.zeros(2, 8)}
    >>> main_output(outputs).shape
    torch.Size([2, 8])
    """
    named = named_outputs(outputs)
    main = next((named[name] for name in MAIN_OUTPUTS if named.get(name) is not None), outputs)
    tensors = [one for one in tensors_in(main) if one.is_floating_point()]
    # A single number is a loss beside them, or what is left of one image by `.squeeze()`.
    telling = sorted(tensors, key=lambda one: (one.ndim != 2, one.ndim == 0))
    return None if not telling else telling[0] if telling[0].ndim else telling[0].reshape(1)


def are_features(outputs: Any) -> bool:
    """Whether a model without a head returned these: then its last map is none of classes.

    >>> are_features({"last_hidden_state": None}), are_features({"logits": None})
    (True, False)
    """
    named = named_outputs(outputs)
    return "last_hidden_state" in named and "logits" not in named


def are_detections(outputs: Any) -> bool:
    """Whether these are torchvision's: for each image a mapping with boxes."""
    return isinstance(outputs, list) and all(
        isinstance(one, Mapping) and "boxes" in one for one in outputs
    )


def named_outputs(outputs: Any) -> Mapping[str, Any]:
    """What a model returned under names, in a mapping or as attributes; nothing in other cases."""
    return outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})
