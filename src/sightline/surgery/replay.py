"""Run a model again: plainly, or with other activations in a layer's place."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery import guard
from sightline.surgery.grids import Reader, Shape
from sightline.surgery.layers import Where, resolve
from sightline.surgery.operable import operable
from sightline.surgery.passing import arguments, called, find_map, picture, run
from sightline.types import Activations


def look(model: nn.Module, inputs: Any) -> Any:
    """The model's outputs, in eval mode and without a graph; the model comes out bit-equal.

    >>> look(nn.Dropout(0.9), torch.ones(2))
    tensor([1., 1.])
    """
    model = operable(model)
    args, kwargs = arguments(inputs)
    with guard.untouched(model), torch.no_grad():
        return run(model, args, kwargs)


@contextmanager
def looking(model: nn.Module) -> Iterator[Callable[[Tensor], Any]]:
    """For many looks: the model is made ready once. What it is shown is its own, and it may write over it.

    >>> with looking(nn.ReLU(inplace=True)) as see:
    ...     see(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    model = operable(model)

    def see(shown: Tensor) -> Any:
        with torch.no_grad():
            return called(model, (shown,), {})

    with guard.untouched(model):
        yield see


def replay(
    model: nn.Module,
    inputs: Any,
    layer: Where,
    activations: Activations,
    *,
    call: int = -1,
    grid: Shape | Reader | None = None,
) -> Any:
    """The outputs the model would give had `layer` returned these activations `[b, c, *s]` instead of its own.

    `inputs` are run up to the layer, since other branches may need them; what the layer returns besides its map
    (class tokens, other tensors) stays as it is. A layer that runs several times is replaced at every run, or
    at `call` only. Raises `LayerError` where shapes differ.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> replay(net, torch.rand(2, 3, 8, 8), "1", torch.full((2, 4, 6, 6), 0.5))[0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    model = operable(model)
    name, module = resolve(model, layer)
    args, kwargs = arguments(inputs)
    images, thread, calls = tuple(picture(args, kwargs).shape), threading.get_ident(), 0

    def swap(_: nn.Module, __: Any, output: Any) -> Any:
        nonlocal calls
        if threading.get_ident() != thread:
            return None
        index, calls = calls, calls + 1
        if call >= 0 and index != call:
            return None
        tensor, found, put = find_map(output, images, name, grid)
        new = found.write(activations.to(tensor), tensor)
        if new.shape != tensor.shape:
            raise LayerError(
                f"Expected activations for {name!r} in the shape {tuple(found.read(tensor).shape)}; "
                f"got {tuple(activations.shape)}. Take them from capture(model, inputs, {name!r}).activations."
            )
        return put(new.clone())  # an in-place layer behind must not write over the caller's tensor

    with guard.untouched(model), torch.no_grad():
        handle = module.register_forward_hook(swap)
        try:
            return run(model, args, kwargs)
        finally:
            handle.remove()
