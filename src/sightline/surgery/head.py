"""The linear head behind a pooled feature map: the weights CAM needs, checked by the numbers.

Numbers of one picture are not enough: where a feature map is zero or the same everywhere (a black picture, a 1 x 1
grid), its maximum is its mean. So what was found has to hold for random feature maps in the layer's place, too.
"""

import weakref
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery import guard
from sightline.surgery.cut import capture
from sightline.surgery.grids import Reader, Shape
from sightline.surgery.operable import operable
from sightline.surgery.passing import arguments, picture, said
from sightline.surgery.replay import replay

_found: "weakref.WeakKeyDictionary[nn.Module, dict[Any, str | None]]" = weakref.WeakKeyDictionary()


def pooled_head(
    model: nn.Module,
    inputs: Any,
    layer: str,
    *,
    call: int = -1,
    grid: Shape | Reader | None = None,
    run: tuple[Tensor, Tensor] | None = None,
) -> Tensor | None:
    """The weights `[classes, c]` of a linear head on the spatial mean of `layer`, or None if the head is another.

    A fully connected layer counts if what goes into it *is* the mean of the layer's feature maps and what comes
    out *is* the model's output; so does a 1 x 1 convolution on the maps whose mean is the output. The finding is
    remembered for a model, a layer and an input shape; the weights are read anew each time. `run` is the activations
    and outputs of a run at hand, on which the finding is checked again.
    """
    model = operable(model)
    if callable(grid):
        return None  # read by a function of the user's own: nothing can be put in the layer's place
    known = _found.setdefault(model, {})
    shape = tuple(picture(*arguments(inputs)).shape[1:])  # on a 1 x 1 grid any pooling is the mean
    key = (layer, call, None if grid is None else tuple(grid), shape)
    if key not in known or (known[key] is not None and _head(model, known[key]) is None):
        known[key] = _search(model, inputs, layer, call, grid)
    head = _head(model, known[key])
    if head is None:
        return None
    weight: Tensor = head.weight.detach().flatten(1)
    return weight if run is None or still_true(weight, head.bias, *run) else None


def still_true(head: Tensor, bias: Tensor | None, activations: Tensor, outputs: Tensor) -> bool:
    """Whether the outputs of this very run are the head's: a model may have changed its forward since the search."""
    mean = activations.detach().flatten(2).float().mean(2)
    own = torch.nn.functional.linear(mean, head.float(), None if bias is None else bias.detach().float())
    outputs = outputs.detach().float()
    loose = 0.05 if activations.dtype in (torch.float16, torch.bfloat16) else 1e-3
    return own.shape == outputs.shape and bool((own - outputs).abs().max() <= loose * outputs.abs().max())


def cam_head(
    model: nn.Module,
    inputs: Any,
    layer: str,
    *,
    call: int = -1,
    grid: Shape | Reader | None = None,
    run: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The same, or a `LayerError` that says why CAM cannot be had."""
    weight = pooled_head(model, inputs, layer, call=call, grid=grid, run=run)
    if weight is None:
        raise LayerError(
            f"CAM needs a network whose outputs are one linear layer on the spatial mean of {layer!r}; in "
            f"{type(model).__name__} something else lies between. Take method='grad_cam', which is the same "
            "map where CAM is defined and works here too."
        )
    return weight


def _search(model: nn.Module, inputs: Any, layer: str, call: int, grid: Shape | None) -> str | None:
    one = inputs[:1] if isinstance(inputs, Tensor) else inputs
    calls: list[tuple[str, Tensor, Tensor]] = []
    handles = []
    with guard.LOCK:
        try:
            for name, module in model.named_modules():
                if _head(model, name) is not None:
                    handles.append(module.register_forward_hook(_keep(name, calls)))
            trace = capture(model, one, layer, call=call, grid=grid)
        finally:
            for handle in handles:
                handle.remove()
    maps = trace.activations.float()
    outputs = said(trace.outputs)
    if outputs is None:
        return None
    outputs = outputs.detach()
    near = _nearness(trace.activations, outputs)
    for name, into, out in reversed(calls):
        if isinstance(_head(model, name), nn.Linear):
            found = _same(into, maps.flatten(2).mean(2), near) and _same(out, outputs.float(), near)
        else:
            found = _same(into, maps, near) and _same(out.flatten(2).mean(2), outputs.float(), near)
        if found:
            return name if _holds(model, one, layer, name, trace.activations, call, grid) else None
    return None


def _head(model: nn.Module, name: str | None) -> nn.Linear | nn.modules.conv._ConvNd | None:
    """The module of that name if it can be a linear head: fully connected, or a plain 1 x 1 convolution."""
    try:
        module = model.get_submodule(name) if name else None
    except AttributeError:  # the model's head was exchanged since
        return None
    if isinstance(module, nn.Linear):
        return module
    if isinstance(module, nn.modules.conv._ConvNd) and not module.transposed and module.groups == 1:
        padded = not isinstance(module.padding, str) and any(module.padding)
        return module if {*module.kernel_size, *module.stride} == {1} and not padded else None
    return None


def _holds(model: nn.Module, inputs: Any, layer: str, name: str, like: Tensor, call: int, grid: Shape | None) -> bool:
    """Whether the outputs are the head of the mean for random feature maps, too."""
    maps = torch.rand(like.shape, generator=torch.Generator().manual_seed(0)).to(like)
    outputs = said(replay(model, inputs, layer, maps, call=call, grid=grid))
    head: Any = _head(model, name)
    bias = 0 if head.bias is None else head.bias.detach().float()
    want = maps.float().flatten(2).mean(2) @ head.weight.detach().float().flatten(1).T + bias
    return outputs is not None and _same(outputs.float(), want, _nearness(like, outputs))


def _nearness(*tensors: Tensor) -> float:
    """How near is the same, in the coarsest of the number formats."""
    return max(1e-3, 4 * max(torch.finfo(tensor.dtype).eps for tensor in tensors))


def _keep(name: str, calls: list[tuple[str, Tensor, Tensor]]) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            calls.append((name, args[0].detach().float(), output.detach().float().clone()))

    return hook


def _same(one: Tensor, other: Tensor, near: float) -> bool:
    if one.numel() != other.numel() or one.shape[0] != other.shape[0]:
        return False
    scale = float(other.abs().max())
    return bool(torch.allclose(one.reshape(other.shape), other, rtol=near, atol=near * scale))
