"""Why no layer can be chosen, and what to do: the errors of the search."""

from functools import partial
from typing import Any

import torch
from torch import nn

from sightline.errors import LayerError
from sightline.surgery.harness import guard
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import tensors_in


def no_feature_map(given: Given) -> LayerError:
    """The error for a network in which no layer has a grid over the picture, a row for each."""
    name = type(given.model).__name__
    folded = _folded(given)
    if folded is not None:
        layer, shape, times = folded
        read = f"grid=lambda out: out.unflatten(0, (-1, {times})).movedim(2, 1)"
        return LayerError(
            f"Expected layers with a row for each picture; those of {name} have {times} for one,"
            f" as {layer!r} does, {shape}: frames, crops or copies in the batch axis. For frames of"
            f" a clip say explain(..., layer={layer!r}, {read}); crops and copies explain one by"
            " one, by the network inside."
        )
    return LayerError(
        f"Expected a network with feature maps over the picture; {name} has no layer whose output"
        " has a grid. Name one and say how to read it: explain(..., layer='name', grid=(height,"
        " width))."
    )


def _folded(given: Given) -> tuple[str, Shape, int] | None:
    """The last layer with maps of several rows for each picture: its name, shape, and how many."""
    seen: list[tuple[str, Shape]] = []

    def note(name: str, _: nn.Module, __: Any, output: Any) -> None:
        seen.extend((name, tuple(one.shape)) for one in tensors_in(output) if one.ndim >= 4)

    modules = given.model.named_modules()
    hooks = ((module, partial(note, name)) for name, module in modules if name)
    with guard.untouched(given.model), torch.no_grad(), hooked(hooks):
        given.run()
    rows = len(given.image)
    return next(
        (
            (name, shape, shape[0] // rows)
            for name, shape in reversed(seen)
            if shape[0] > rows and shape[0] % rows == 0
        ),
        None,
    )


def no_influence(model: nn.Module, tried: int) -> LayerError:
    """The error for outputs that depend on none of so many layers that were tried."""
    return LayerError(
        f"Expected the outputs of {type(model).__name__} to depend on a feature map; they do not on"
        f" the last {tried}: weights of zero, a detached tensor, a forward in inference_mode, or"
        " outputs that compare the pictures of a batch (of one alone nothing is left). Name a"
        " layer: explain(..., layer='name')."
    )
