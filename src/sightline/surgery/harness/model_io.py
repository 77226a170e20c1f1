"""Calling a model, and finding the tensors in what it hands back."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from torch import Tensor, nn

from sightline.errors import SightlineError
from sightline.tensors import first_weight


def run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the model on copies: a model may write over its input, no graph may keep what inference
    mode made.
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
            error.add_note(_came(model, args, kwargs))
        raise


def _came(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [f"{_shape(a)}" for a in args] + [f"{name}={_shape(a)}" for name, a in kwargs.items()]
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


_MAIN_OUTPUTS = (
    "logits",
    "logits_per_image",
    "class_queries_logits",
    "pooler_output",
    "image_embeds",
    "last_hidden_state",
)
"""What a model says, by the names that transformers gives it, the most telling first."""


def main_output(outputs: Any) -> Tensor | None:
    """What a model says: the tensor called `logits` or the like, else the first `[b, k]`, else the
    first.

    >>> import torch
    >>> main_output(
    ...     {"last_hidden_state": torch.zeros(2, 50, 8), "pooler_output": torch.zeros(2, 8)}
    ... ).shape
    torch.Size([2, 8])
    """
    held = outputs if isinstance(outputs, Mapping) else getattr(outputs, "__dict__", {})
    named = next((held[name] for name in _MAIN_OUTPUTS if held.get(name) is not None), outputs)
    parts = [one for one in tensors_in(named) if one.is_floating_point() and one.ndim]
    return next((part for part in parts if part.ndim == 2), parts[0] if parts else None)
