"""Why no layer can be chosen, and what to do: the errors of the search."""

from collections import Counter
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
from sightline.tensors import without_graph


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


def no_layers(model: nn.Module) -> LayerError:
    """The error for an exported program."""
    return LayerError(
        f"Expected a model with layers; {type(model).__name__} is an exported program, a graph of"
        " operators without modules. Explain the model it was exported from, or take a method of"
        " pixels (gradient, guided_backprop) or a black box (rise, occlusion)."
    )


def no_scores(model: nn.Module, outputs: Any) -> LayerError:
    """The error for outputs in which there are no scores: nothing leads back to any layer."""
    came = without_graph(outputs) or f"a {type(outputs).__name__} without a float tensor"
    return LayerError(
        f"Expected scores to look back from, a float tensor; {type(model).__name__} returned"
        f" {came}. Return the scores that these were made from; or show it pictures only, with a"
        " function of the outputs that gives a float tensor of one number an image: method='rise',"
        " target=lambda out: ..."
    )


def no_influence(given: Given, tried: int) -> LayerError:
    """The error for outputs that depend on none of so many layers that were tried."""
    name = type(given.model).__name__
    if not _has_graph(given):
        return LayerError(
            f"Expected outputs that lead back to a layer; those of {name} have no graph: .detach(),"
            " .data, .numpy() and back, or torch.no_grad() at the end of its forward. Take that"
            " out, or a method that shows the model pictures only, such as rise."
        )
    if (frames := _runs_for_frames(given)) is not None:
        return LayerError(
            f"Expected layers that see the whole clip; {frames!r} of {name} runs once for each"
            " frame, and no run has a map of all. Fold the frames into the batch inside the model"
            " (x.flatten(0, 1), which is read as a clip), or take a method of pixels, such as"
            " gradient."
        )
    return LayerError(
        f"Expected the outputs of {name} to depend on a feature map; they do not on the last"
        f" {tried}: weights of zero, a detached tensor, or outputs that compare the pictures of a"
        " batch (of one alone nothing is left). Name a layer: explain(..., layer='name')."
    )


def _has_graph(given: Given) -> bool:
    """Whether outputs lead back to the picture or the weights."""
    with guard.untouched(given.model), torch.enable_grad():
        outputs = given.with_image(given.image.detach().clone().requires_grad_()).run()
    return any(one.requires_grad for one in tensors_in(outputs))


def _runs_for_frames(given: Given) -> str | None:
    """The last layer that runs as often as a clip has frames, each time on pictures."""
    if len(given.size) != 3:
        return None
    ran: Counter[str] = Counter()

    def note(name: str, _: nn.Module, __: Any, output: Any) -> None:
        ran.update(name for one in tensors_in(output) if one.ndim == 4)

    modules = given.model.named_modules()
    hooks = ((module, partial(note, name)) for name, module in modules if name)
    with guard.untouched(given.model), torch.no_grad(), hooked(hooks):
        given.run()
    return next((name for name, n in reversed(ran.items()) if n == given.size[0]), None)
