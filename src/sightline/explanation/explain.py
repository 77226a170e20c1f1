"""The path: a model and pictures in, an explanation out.

capture -> ask -> weigh -> combine -> enlarge. What varies (layers, methods, questions) is a loop
around these steps in `explanation/passes/layer_pass.py`, so that all of it shares one forward pass.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, overload

from torch import nn

from sightline.errors import LayerError, TargetError
from sightline.explanation.inputs import ready
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.blackbox_pass import through_queries
from sightline.explanation.passes.layer_pass import through_layers
from sightline.explanation.passes.pixel_pass import to_pixels
from sightline.explanation.plan import Rule, Step, check_for_quantities, steps
from sightline.explanation.result import Explanation
from sightline.images import as_preprocess
from sightline.models import card_of
from sightline.models.card import outputs_word
from sightline.surgery import Where, supported_model
from sightline.targets import Wanted


@overload
def explain(
    model: nn.Module,
    images: Any,
    target: Wanted = ...,
    method: Rule = ...,
    layer: Where | None = ...,
    **options: Any,
) -> Explanation: ...
@overload
def explain(
    model: nn.Module,
    images: Any,
    target: Wanted = ...,
    method: Rule | Sequence[Rule] = ...,
    layer: Where | Sequence[Where] | None = ...,
    **options: Any,
) -> dict[Any, Explanation]: ...
def explain(
    model: nn.Module,
    images: Any,
    target: Wanted = None,
    method: Rule | Sequence[Rule] = "grad_cam_pp",
    layer: Where | Sequence[Where] | None = None,
    *,
    counterfactual: bool = False,
    call: int = -1,
    grid: Any = None,
    axes: Any = None,
    preprocess: Any = None,
    classes: Sequence[str] | None = None,
    outputs: Literal["softmax", "sigmoid", "probability", "value"] | None = None,
    place: Literal["proved", "unchecked"] = "proved",
    **options: Any,
) -> Explanation | dict[Any, Explanation]:
    """Show what a model looked at: an `Explanation` of images, for the price of a forward pass.

    - `images`: a float tensor `[b, c, *s]` is the model's ready input; a path, folder, PIL image,
      array, uint8 tensor or a list of them is prepared as the model's card says (or `preprocess`:
      a `Preprocess`, a torchvision transform or a Hugging Face image processor).
      A tuple or mapping is handed on as positional or keyword arguments.
    - `target`: the predicted class; or 281, `"tabby"`, `"top3"`, a list of these (each asked of
      every image), a tensor `[b]` or `[b, n]` (each image its own), a function of the outputs
      giving `[b]`.
    - `method`: any name in `sightline.METHODS`, `sightline.PIXELSPACE` or `sightline.BLACKBOX`, in
      any common spelling; `guided_` before a CAM multiplies it with guided backpropagation. Or a
      function of your own that weighs activations, as those in `sightline.methods` do.
    - `layer`: a name, a module, or a function of the model; left out, the last feature map is
      found.
    - `counterfactual=True` negates the gradients: what speaks against the target. `call` picks a
      run of a layer that runs several times. `grid` says how to read a layer whose grid cannot be
      inferred: its sizes, or a function from its output to `[b, c, *s]`. `axes` says how the
      images' axes are to be read, where no convolution tells: `b` the batch, `c` the channels, any
      other word an axis of places, as in `axes="b steps c"`. `classes` are the names of the
      outputs. `outputs="value"` says, as a card can, that these are quantities and no scores of
      classes: the map shows what raises one, with `counterfactual=True` what lowers it. That the
      layer's places lie on the picture where the map shows them is proved at the first call,
      unless `place="unchecked"`; a map that lies elsewhere has the status `place not confirmed`.
    - `options` go to the method: `score="softmax"`, `alpha="authors"`.

    A list of methods gives a dict by method, a list of layers a dict by layer, both a dict by
    `(method, layer)`. The model comes out bit-equal, also after an error; every error raised on
    purpose is a `SightlineError`.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ... )
    >>> e = explain(net, torch.rand(2, 3, 8, 8), target=[0, 1])
    >>> e.maps.shape, e.coarse.shape, e.layer
    (torch.Size([2, 2, 8, 8]), torch.Size([2, 2, 6, 6]), '1')
    """
    plan = steps(method, options)
    inner = supported_model(model, opened=not all(step.kind == "black_box" for step in plan))
    layers = _layers(layer)
    # a guided product shares its CAM
    cams = {cam.name: cam for step in plan if (cam := step.cam)}
    if layers and not cams:
        raise LayerError(
            f"Expected no layer for {', '.join(step.name for step in plan)}: no layer is opened;"
            f" got {layer!r}. Leave layer= out, or ask for a map of a layer, such as grad_cam_pp."
        )
    if place not in ("proved", "unchecked"):
        raise LayerError(f"Expected place='proved' or place='unchecked'; got {place!r}.")
    card, names = card_of(model), _names(classes)
    if preprocess is not None or names is not None or outputs is not None:
        card = replace(
            card,
            preprocess=card.preprocess if preprocess is None else as_preprocess(preprocess),
            classes=card.classes if names is None else names,
            outputs=card.outputs if outputs is None else outputs_word(outputs),
        )
    if card.outputs == "value":
        check_for_quantities(plan)
    batch = ready(images, inner, card.preprocess, axes)
    checked = place == "proved"
    job = Job(inner, card, batch, target, counterfactual, call, grid, classes is not None, checked)
    found: Found = {}
    if cams:
        found |= through_layers(job, list(cams.values()), layers)
    if to_the_input := [step for step in plan if step.kind == "pixel"]:
        found |= to_pixels(job, to_the_input, found)
    if closed := [step for step in plan if step.kind == "black_box"]:
        found |= through_queries(job, closed)
    return _arranged(found, plan, isinstance(method, list | tuple), isinstance(layer, list | tuple))


def _layers(layer: Any) -> list[Any]:
    """The layers asked for; none where the last feature map is to be found."""
    if layer is None:
        return []
    if not isinstance(layer, list | tuple):
        return [layer]
    if not layer:
        raise LayerError(
            "Expected at least one layer; got an empty list. Leave layer= out for the last feature"
            " map."
        )
    return list(layer)


def _names(classes: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(classes, str):
        raise TargetError(
            f"Expected the names of all the model's outputs, one each; got the text {classes!r}. To"
            " ask for one class write target=...; the names are a list: classes=['cat', 'dog']."
        )
    return None if classes is None else tuple(str(name) for name in classes)


def _arranged(
    found: Found, plan: list[Step], by_method: bool, by_layer: bool
) -> Explanation | dict[Any, Explanation]:
    """Only what was asked for, in the order asked, by the names the caller varied."""
    asked = {key: found[key] for step in plan for key in found if key[0] == step.name}
    if by_method and by_layer:
        return dict(asked)
    if by_method or by_layer:
        return {key[0] if by_method else key[1]: one for key, one in asked.items()}
    return next(iter(asked.values()))
