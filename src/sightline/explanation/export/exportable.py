"""From a model to one that explains itself in one pass: what follows from the network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sightline.errors import (
    ImageError,
    MethodError,
    ModelError,
    SightlineError,
    SurgeryError,
    TargetError,
)
from sightline.explanation.export.explainer import ALWAYS, FREE, Explainer
from sightline.explanation.inputs import stand_in, turned
from sightline.explanation.placed import lies_right, lying_right
from sightline.explanation.plan import Rule, Step, steps
from sightline.models import Card, card_of
from sightline.surgery import (
    Given,
    Opened,
    Trace,
    Where,
    all_outputs,
    capture,
    choose,
    noise,
    readings,
    supported_model,
)
from sightline.targets import Wanted, find_class
from sightline.targets.class_names import checked_index
from sightline.targets.model_outputs import class_rows
from sightline.targets.reading import reading_of
from sightline.tensors import first_weight

_SOLVED = ("eigen_cam", "eigen_grad_cam", "kpca_cam")
"""Methods that solve for a singular vector."""


def exportable(
    model: nn.Module,
    layer: Where | None = None,
    method: Rule | Sequence[Rule] = "grad_cam_pp",
    *,
    target: Wanted = None,
    images: Tensor | None = None,
    any_size: bool = False,
    coarse: bool = False,
    call: int = -1,
    grid: Any = None,
    axes: Any = None,
    place: Literal["proved", "unchecked"] = "proved",
    classes: Sequence[str] | None = None,
    **options: Any,
) -> Explainer:
    """A module that returns `(outputs, maps)` in one pass without autograd, for export and ONNX.

    - `layer`, `method`, `call`, `grid`, `axes`, `place` and `options` are those of `explain`; the
      layer is found where none is named. An explainer says no status: for a layer whose places do
      not lie on the picture there is a `LayerError`.
    - `target`: the predicted class; `281` or `"tabby"` for the same class of every image; `"given"`
      for classes as a second input, where -1 asks for the predicted one.
    - `images`: an example `[b, c, h, w]`, whose size the explainer will have; left out, noise of
      the size on the card.
    - `any_size=True`: height and width may differ from the example's. It is tried out, and is a
      `SurgeryError` where the model does not allow it.
    - `coarse=True`: the signed map on the layer's own grid comes third.

    The model stays as it is, also when the explainer is moved, halved or frozen: that is a copy of
    its modules, with parameters of its own on the same memory. Behind a pooled linear head the
    gradients are the head's weights; elsewhere the look back is traced once and becomes part of the
    graph. Raises `MethodError` for what cannot be exported: methods in pixel space or of several
    passes, and softmax scores or CAM on other heads.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ... )
    >>> explainer = exportable(net, images=torch.rand(1, 3, 8, 8))
    >>> outputs, maps = explainer(torch.rand(5, 3, 8, 8))
    >>> outputs.shape, maps.shape, explainer.layer, explainer.way
    (torch.Size([5, 2]), torch.Size([5, 8, 8]), '1', 'head')
    """
    inner = supported_model(model)
    step, card = _step(method, options), card_of(inner)
    example = _example(inner, card, images, axes)
    given = Given.of_supported(inner, example, axes)
    if any_size and given.channel_axis != 1:
        raise SurgeryError(
            "Expected pictures [b, c, height, width] for an explainer of any size; this model takes"
            f" its channels on axis {given.channel_axis}. Leave any_size out."
        )
    reason, stated = "named by the caller", grid is not None
    if layer is None:
        choice = choose(inner, given)
        if place == "proved" and not stated:
            choice = lies_right(given, choice, call, all_outputs, None)
        layer, reason, grid = choice.name, choice.reason, choice.grid if grid is None else grid
        call = choice.call if call == -1 else call
    elif grid is None:
        (grid,) = readings(given, [layer], call).values() or (None,)
    if place == "proved":
        call, grid = lying_right(given, layer, call, grid, stated=stated)
    trace = capture(inner, given, layer, call=call, grid=grid)
    if classes is not None:
        card = replace(card, classes=tuple(classes))
    rows, _ = class_rows(trace.outputs, card.classes)
    reading = reading_of(rows, card.outputs)
    rows = reading.logits(rows)
    head = trace.head(rows, 0) if trace.plain else None
    _check_words(step, trace, head)
    explainer = Explainer(
        Opened(inner, example, trace.cuts[0], grid),
        step,
        example,
        layer_reason=reason,
        target=_class(target, rows, card.classes),
        head=head,
        any_size=any_size,
        coarse=coarse,
        channel_axis=given.channel_axis,
        reading=reading,
    )
    explainer.card = card
    if any_size:
        _try_another_size(inner, explainer, layer, call, grid)
    return explainer


def _step(method: Rule | Sequence[Rule], options: dict[str, Any]) -> Step:
    if isinstance(method, list | tuple):
        raise MethodError("Expected one method; got a list. An explainer holds one: make several.")
    (step,) = steps(method, options)
    if step.kind != "cam":
        raise MethodError(
            f"Expected a method that weighs a layer's activations; {step.name} "
            + (
                "shows the model many pictures"
                if step.kind == "black_box"
                else "looks back to the pixels, through the whole model"
            )
            + ", and cannot be exported. Take grad_cam_pp, grad_cam, layer_cam or another map of a"
            " layer."
        )
    if step.name in _SOLVED:
        raise MethodError(
            f"Expected a method of plain operators; {step.name} decomposes each image's"
            " activations, which neither an exporter nor a compiler follows. Take grad_cam_pp,"
            " grad_cam, hires_cam, layer_cam or xgrad_cam."
        )
    return step


def _check_words(step: Step, trace: Trace, head: Tensor | None) -> None:
    for word in step.method.requests:
        if word not in (*ALWAYS, *FREE):
            raise MethodError(
                f"Expected a method that needs one pass; {step.name} asks for {word!r}, for which"
                " the model runs again, and cannot be exported. Take grad_cam_pp, grad_cam,"
                " hires_cam, layer_cam or xgrad_cam."
            )
        if word in FREE and head is None:
            raise MethodError(
                f"{step.name} asks for {word!r}, which an exported model has behind a pooled linear"
                f" head only; {type(trace.model).__name__} has something else behind"
                f" {trace.cuts[0].layer!r}. Take grad_cam_pp or grad_cam."
            )


def _example(model: nn.Module, card: Card, images: Tensor | None, axes: Any) -> Tensor:
    """Two images of the right size, in the model's type and on its device."""
    weight = first_weight(model)
    weight = torch.zeros(0, dtype=torch.float32, device="cpu") if weight is None else weight
    if weight.dtype not in (torch.float32, torch.float64):
        raise ModelError(
            f"Expected a model in float32 or float64; this one is in {weight.dtype}, whose"
            " gradients need care that a plain graph does not take. Export model.float(), and let"
            " the runtime choose a smaller type."
        )
    if images is None:
        return turned(stand_in(model, card.preprocess, 2), axes)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        came = (
            f"{images.dtype} {list(images.shape)}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise ImageError(
            f"Expected a float tensor [b, c, height, width] as an example; got {came}. Its size"
            " is all that counts: torch.rand(1, 3, 224, 224)."
        )
    return noise((2, *images.shape[1:]), weight)


def _class(target: Any, rows: Tensor, names: Sequence[str] | None) -> int | str | None:
    """The predicted class (None), `"given"`, or a number."""
    count = max(2, rows.shape[1])
    if target is None or (isinstance(target, str) and target in ("predicted", "given")):
        return None if target == "predicted" else target
    if isinstance(target, str):
        return find_class(target, names, count)
    if isinstance(target, int) and not isinstance(target, bool):
        return checked_index(target, count)
    raise TargetError(
        "Expected a class number, a class name, 'predicted' or 'given' for an explainer; got"
        f" {type(target).__name__}. What changes with the picture cannot be written into a graph:"
        " target='given' takes classes as a second input."
    )


def _try_another_size(
    model: nn.Module, explainer: Explainer, layer: Where, call: int, grid: Any
) -> None:
    """Raise unless an explainer made for one size tells the truth about two others."""
    channels, *made = explainer.shape
    for height, width in ((made[0] + 32, made[1] + 64), (made[0] + 31, made[1])):
        images = noise((2, channels, height, width), next(model.parameters()))
        try:
            trace = capture(model, images, layer, call=call, grid=grid)
            holds, why = explainer.agrees(images, trace), ""
        except (SightlineError, RuntimeError, ValueError) as error:
            holds, why = False, f" ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        if not holds:
            raise SurgeryError(
                "Expected a model that takes pictures of any size; what was written down of"
                f" {type(model).__name__} for {made[0]} x {made[1]} does not hold for {height} x"
                f" {width}{why}. Leave any_size out, and make one explainer for each size."
            )
