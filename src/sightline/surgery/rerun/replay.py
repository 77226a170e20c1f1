"""Run a model again: as it is, with other pictures, or with other activations of a layer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery.harness import guard
from sightline.surgery.harness.arguments import arguments, as_handed_in, image_among, replaced
from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.feature_map import find_map
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape, Stated
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import call_model
from sightline.surgery.harness.resolve import Where, resolve
from sightline.surgery.harness.supported import supported_model
from sightline.types import Activations


def look(model: nn.Module, inputs: Any) -> Any:
    """The model's outputs, in eval mode and without a graph; the model comes out bit-equal.

    >>> look(nn.Dropout(0.9), torch.ones(2))
    tensor([1., 1.])
    """
    with looked(model, inputs) as outputs:
        return outputs


@contextmanager
def looked(model: nn.Module, inputs: Any) -> Iterator[Any]:
    """The same, and inside the model is as the run left it: a target may read what it keeps."""
    given = Given.of(model, inputs, opened=False)
    with guard.untouched(given.model):
        with torch.no_grad():
            outputs = given.run()
        yield outputs


@contextmanager
def looking(model: nn.Module) -> Iterator[Callable[[Tensor], Any]]:
    """For many looks: the model is made ready once, and may write over what it is shown.

    >>> with looking(nn.ReLU(inplace=True)) as see:
    ...     see(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    model = supported_model(model)

    def see(images: Tensor) -> Any:
        with torch.no_grad():
            return call_model(model, (images,), {})

    with guard.untouched(model):
        yield see


@contextmanager
def showing(model: nn.Module, inputs: Any) -> Iterator[Callable[[Tensor], Any]]:
    """For many looks at other pictures `[m * b, c, *s]` in the place of the inputs' own.

    They are m versions of all b. Whatever else was handed in goes along: what has a row for each of
    the b pictures m times over, the rest as it is. The model may write over what it is shown.

    >>> with showing(nn.Identity(), torch.zeros(2, 1, 3)) as see:
    ...     see(torch.ones(4, 1, 3)).shape
    torch.Size([4, 1, 3])
    """
    given = Given.of(model, inputs, opened=False)

    def see(images: Tensor) -> Any:
        with torch.no_grad():
            own = as_handed_in(images, given.channel_axis)
            return call_model(given.model, *_with_images(given.args, given.kwargs, own))

    with guard.untouched(given.model):
        yield see


def with_pictures(inputs: Any, images: Tensor, channel_axis: int = 1) -> Any:
    """The inputs with other pictures `[m * b, c, *s]` in the place of their own.

    A tuple, or a mapping by name; a `Given` of a `Given`. `channel_axis` is where the inputs have
    their channels.

    >>> mask, pictures = torch.tensor([[1], [2]]), torch.ones(4, 3, 5)
    >>> _, twice = with_pictures((torch.zeros(2, 3, 5), mask), pictures)
    >>> twice.flatten()
    tensor([1, 2, 1, 2])
    """
    own = (inputs.args, inputs.kwargs) if isinstance(inputs, Given) else arguments(inputs)
    args, kwargs = _with_images(*own, as_handed_in(images, channel_axis))
    if isinstance(inputs, Given):
        return replace(inputs, args=args, kwargs=kwargs)
    return kwargs or args


def _with_images(
    args: tuple[Any, ...], kwargs: dict[str, Any], images: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments for m versions of all b images; what belongs to an image m times over, too."""
    own = image_among(args, kwargs)
    m = len(images) // len(own)
    return replaced(
        args, kwargs, lambda one: images if one is own else repeat_rows(one, len(own), m)
    )


def repeat_rows(value: Any, images: int, m: int) -> Any:
    """An argument for `m` times as many images, a row for each of them repeated; always a copy."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim == 0 or len(value) != images:
        return value.clone()
    return value.repeat(m, *[1] * (value.ndim - 1))


def replay(
    model: nn.Module,
    inputs: Any,
    layer: Where,
    activations: Activations,
    *,
    call: int = -1,
    grid: Stated = None,
) -> Any:
    """The outputs the model would give had `layer` returned these activations `[b, c, *s]`.

    `inputs` are run up to the layer, since other branches may need them; what the layer returns
    besides its map (class tokens, other tensors) stays as it is. A layer that runs several times is
    replaced at every run, or at `call` only. Raises `LayerError` where shapes differ.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> replay(net, torch.rand(2, 3, 8, 8), "1", torch.full((2, 4, 6, 6), 0.5))[0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    given = Given.of(model, inputs)
    name, module = resolve(given.model, layer)
    images, calls = given.shape, 0
    grid = kind_of(module) if grid is None else grid

    def swap(_: nn.Module, __: Any, output: Any) -> Any:
        nonlocal calls
        index, calls = calls, calls + 1
        if call >= 0 and index != call:
            return None
        return replace_map(output, activations, images, name, grid)

    with guard.untouched(given.model), torch.no_grad(), hooked([(module, swap)]):
        return given.run()


def replace_map(
    output: Any,
    activations: Activations,
    images: Shape,
    name: str,
    grid: Stated,
    *,
    own: bool = False,
) -> Any:
    """What a layer returned, with other activations `[b, c, *s]` in the place of its map.

    `own` says that nobody else needs the activations; else a copy goes in, which a layer behind may
    write over.
    """
    tensor, own_grid, put = find_map(output, images, name, grid)
    new = own_grid.write(activations.to(tensor), tensor)
    if new.shape != tensor.shape:
        wanted = tuple(own_grid.read(tensor).shape)
        raise LayerError(
            f"Expected activations for {name!r} in the shape {wanted}; got"
            f" {tuple(activations.shape)}. Take them from capture(model, inputs,"
            f" {name!r}).activations."
        )
    return put(new if own else new.clone())
