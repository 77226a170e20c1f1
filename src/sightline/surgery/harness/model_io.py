"""Calling a model, and finding the tensors in what it hands back."""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sightline.errors import SightlineError, SurgeryError
from sightline.surgery.harness.supported import is_exported
from sightline.tensors import first_weight

_MOST_SHOWN = 8


def inference_refused(what: str) -> SurgeryError:
    """The error for a part of a model that runs in an inference mode of its own."""
    return SurgeryError(
        f"Expected a model that can record a graph; {what} runs inside its own"
        " torch.inference_mode(), where none can be. Use torch.no_grad() there, which can be looked"
        " into."
    )


def made_in_inference(outputs: Any) -> bool:
    """Whether outputs were made in an inference mode of the model's own."""
    return any(one.is_inference() for one in tensors_in(outputs))


def run(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call the model on copies of the arguments: it may write over its input.

    And no graph may keep what was made in inference mode.
    """
    return call_model(
        model,
        tuple(mapped(a, _copied) for a in args),
        {name: mapped(a, _copied) for name, a in kwargs.items()},
    )


def call_model(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What the model says. An error of its own says what it was given and what it wants."""
    try:
        return model(*args, **kwargs)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        if not isinstance(error, SightlineError) and not getattr(error, "__notes__", None):
            ours = _of_sightline(error)
            error.add_note(_what_came(model, args, kwargs) if ours is None else _OURS.format(ours))
        raise


_OURS = (
    "This is a fault of sightline ({}), not of your model or your input: please report it, with all"
    " of the above."
)
_PASS_ON = ("__torch_function__", "__torch_dispatch__", "call_model")
_PACKAGE = Path(__file__).parents[2]


def _of_sightline(error: BaseException) -> str | None:
    """Where in sightline's own code an error came up while a model ran; None: in the model's.

    A mode hands on whatever operator the model calls, and what that raises; a model of sightline's
    is a model.
    """
    found, frame = None, error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        file = Path(code.co_filename)
        inside = _PACKAGE in file.parents and _PACKAGE / "models" not in file.parents
        if inside and code.co_name not in _PASS_ON:
            found = f"{file.relative_to(_PACKAGE)}, {code.co_qualname}"
        frame = frame.tb_next
    return found


def _what_came(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [_shape(a) for a in args] + [f"{name}={_shape(a)}" for name, a in kwargs.items()]
    weight = first_weight(model)
    first = next((m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd)), None)
    wants = [f"forward{inspect.signature(model.forward)}"]
    wants += [f"weights in {weight.dtype} on {weight.device}"] if weight is not None else []
    wants += [f"{first.in_channels} channels in its first convolution"] if first is not None else []
    if is_exported(model):
        return (
            f"sightline ran an exported program on {', '.join(given)}, and it failed. It takes the"
            " sizes it was exported with: for other batches export it with dynamic_shapes, the"
            " batch as torch.export.Dim.AUTO."
        )
    return (
        f"sightline ran {type(model).__name__} on {', '.join(given)}, and the model itself failed."
        f" It has {', '.join(wants)}. Bring the inputs to that: images.to(dtype),"
        " images.to(device), or several inputs as a tuple or a mapping by name."
    )


def _shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shape(one)}" for name, one in value.items()) + "}"
    if isinstance(value, tuple | list) and len(value) <= _MOST_SHOWN:
        return f"[{', '.join(map(_shape, value))}]"
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)} on {value.device}"


def _copied(tensor: Tensor) -> Tensor:
    """What is part of a graph stays itself: the caller wants derivatives with respect to it."""
    return tensor.clone() if tensor.grad_fn is None else tensor


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A nest of lists, tuples and mappings with each tensor changed, and all else as it is.

    >>> import torch
    >>> mapped({"views": [torch.ones(1), 2]}, lambda one: 2 * one)
    {'views': [tensor([2.]), 2]}
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        found = {name: mapped(one, change) for name, one in value.items()}
        return found if type(value) is dict else _like(value, found)
    if isinstance(value, tuple | list):
        parts = [mapped(one, change) for one in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _like(value: Mapping[Any, Any], found: dict[Any, Any]) -> Any:
    """A mapping of the same kind, with attributes if it has them, as a loader's batch may."""
    other = copy.copy(value)
    try:
        for name, one in found.items():
            other[name] = one  # type: ignore[index]  # a mapping that cannot be written to raises
    except (TypeError, AttributeError):
        return found
    return other


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
