"""The linear head behind a pooled feature map: the weights CAM needs, checked by the numbers."""

import weakref
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery import guard
from sightline.surgery.cut import capture
from sightline.surgery.operable import operable
from sightline.surgery.passing import tensors_in

_found: "weakref.WeakKeyDictionary[nn.Module, dict[str, str | None]]" = weakref.WeakKeyDictionary()


def pooled_head(model: nn.Module, inputs: Any, layer: str) -> Tensor | None:
    """The weights `[classes, c]` of a linear head on the spatial mean of `layer`, or None if the head is another.

    A fully connected layer counts if what goes into it *is* the mean of the layer's feature maps and what comes
    out *is* the model's output; so does a 1 x 1 convolution on the maps whose mean is the output. The finding is
    remembered for a model and a layer; the weights are read anew each time.
    """
    model = operable(model)
    known = _found.setdefault(model, {})
    if layer not in known:
        known[layer] = _search(model, inputs, layer)
    name = known[layer]
    if name is None:
        return None
    weight: Tensor = model.get_submodule(name).weight  # type: ignore[assignment]
    return weight.detach().flatten(1)


def cam_head(model: nn.Module, inputs: Any, layer: str) -> Tensor:
    """The same, or a `LayerError` that says why CAM cannot be had."""
    weight = pooled_head(model, inputs, layer)
    if weight is None:
        raise LayerError(
            f"CAM needs a network whose outputs are one linear layer on the spatial mean of {layer!r}; in "
            f"{type(model).__name__} something else lies between. Take method='grad_cam', which is the same "
            "map where CAM is defined and works here too."
        )
    return weight


def _search(model: nn.Module, inputs: Any, layer: str) -> str | None:
    one = inputs[:1] if isinstance(inputs, Tensor) else inputs
    calls: list[tuple[str, Tensor, Tensor]] = []
    handles = []
    with guard.LOCK:
        try:
            for name, module in model.named_modules():
                if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                    handles.append(module.register_forward_hook(_keep(name, calls)))
            trace = capture(model, one, layer)
        finally:
            for handle in handles:
                handle.remove()
    maps = trace.activations.float()
    outputs = next(t for t in tensors_in(trace.outputs) if t.is_floating_point()).detach().float()
    for name, into, out in reversed(calls):
        if isinstance(model.get_submodule(name), nn.Linear):
            if _same(into, maps.flatten(2).mean(2)) and _same(out, outputs):
                return name
        elif _same(into, maps) and _same(out.flatten(2).mean(2), outputs):
            return name
    return None


def _keep(name: str, calls: list[tuple[str, Tensor, Tensor]]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            calls.append((name, args[0].detach().float(), output.detach().float().clone()))

    return hook


def _same(one: Tensor, other: Tensor) -> bool:
    if one.numel() != other.numel() or one.shape[0] != other.shape[0]:
        return False
    scale = float(other.abs().max())
    return bool(torch.allclose(one.reshape(other.shape), other, rtol=1e-3, atol=1e-3 * scale))
