"""A model that explains itself: outputs and map in one pass, as plain operators, without autograd.

The path of `explanation/explain.py` once more, for one question and one method. What follows from
the network (the layer, how its grid is read, how the gradients come about) is settled beforehand by
`exportable`; what follows from the picture is here. The formulas are those of `methods/`,
`maps/combine.py` and `maps/upsample.py`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import ImageError, TargetError
from sightline.explanation.plan import Step
from sightline.maps.combine import combine
from sightline.maps.upsample import image_map_unread
from sightline.models import Card
from sightline.supply import Supply
from sightline.surgery import Opened, Trace, channels_second, free_gradients, noise, traced
from sightline.targets import Reading, logits, probabilities
from sightline.targets.model_outputs import two_rows
from sightline.targets.reading import PLAIN

ALWAYS = ("activations", "gradients", "explained", "scores", "probabilities")
"""Words to be had from any network, in one pass."""

FREE = ("head", "class_gradients")
"""Words to be had behind a pooled linear head only: there every class's gradients are known."""


@dataclass(frozen=True)
class _Run:
    """What one pass gives: `gradients` are the words that go back from the class explained."""

    outputs: Tensor
    rows: Tensor
    explained: Tensor
    activations: Tensor
    gradients: dict[str, Callable[[], Tensor]]

    @property
    def scores(self) -> Tensor:
        """The logit explained of each image, `[b]`."""
        return self.rows.gather(1, self.explained.unsqueeze(1)).squeeze(1)


class Explainer(nn.Module):
    """`outputs, maps = explainer(images)`: logits `[b, k]` and maps `[b, h, w]` in [0, 1].

    Made by `exportable`. With `target="given"` the classes `[b]` are a second input, and a negative
    number asks for the predicted one. With `coarse=True` the signed map on the layer's own grid
    comes third.

    `layer`, `layer_reason`, `method` and `variant` say what is shown. `way` tells how: `"head"`
    where the gradients are the head's weights, `"tail"` where the look back was written down.
    `shape` is the input's `[c, h, w]`; with `any_size` height and width may differ from it. The
    parameters are new ones on the memory of the model's: `.half()`, `.to()`, `.requires_grad_()`
    leave the model's alone; what is written into them is written into both.
    """

    def __init__(
        self,
        opened: Opened,
        step: Step,
        example: Tensor,
        *,
        layer_reason: str,
        target: int | str | None,
        head: Tensor | None,
        any_size: bool,
        coarse: bool,
        channel_axis: int = 1,
        reading: Reading = PLAIN,
    ) -> None:
        super().__init__()
        self.layer, self.layer_reason, self.grid = opened.layer, layer_reason, opened.grid
        self.method, self.variant, self.weigh = step.name, step.options, step.method.function
        self.shape, self.any_size = tuple(example.shape[1:]), any_size
        self.target, self.coarse, self.way = target, coarse, "tail" if head is None else "head"
        self._like, self.channel_axis = example[:0], channel_axis
        self.reading = reading
        self.opened: Opened | None = None
        self.tail: nn.Module | None = None
        if head is None:
            if any_size and self.shape[1] == self.shape[2]:
                # of equal sides a tracer would make one number
                example = noise((2, *self.shape[:2], self.shape[2] + 32), example)
            self.tail = traced(
                opened, self._logits_and_class, example, self._classes(example), any_size
            )
        else:
            self.opened, self._head = opened, _held(opened, head)
        self.card: Card | None = None
        self.eval()

    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace it with: two images of noise, and classes where those are asked for."""
        images = noise((2, *self.shape), self._like)
        classes = self._classes(images)
        return (images,) if classes is None else (images, classes)

    def exported(self) -> torch.export.ExportedProgram:
        """It as a graph of plain operators, for a batch of any size."""
        example = self.example()
        sides: dict[int, Any] = (
            {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC} if self.any_size else {}
        )
        # A largest batch, since torch 2.6 writes down that the batch is not the largest integer.
        batch = torch.export.Dim("batch", max=2**31 - 1)
        shapes: tuple[dict[int, Any], ...] = ({0: batch, **sides}, {0: batch})
        with torch.no_grad():
            return torch.export.export(
                self, example, dynamic_shapes=shapes[: len(example)], strict=False
            )

    def forward(self, images: Tensor, classes: Tensor | None = None) -> tuple[Tensor, ...]:
        """The outputs and the maps; see the class."""
        self.check(images, classes)
        # entered only where it changes something: an exporter would write it down
        with torch.no_grad() if torch.is_grad_enabled() else nullcontext():
            run = self._run(images, classes)
            supply = Supply(
                {
                    **run.gradients,
                    "activations": lambda: run.activations,
                    "explained": lambda: run.explained,
                    "scores": lambda: run.scores,
                    "probabilities": lambda: probabilities(run.rows, "softmax"),
                }
            )
            signed = combine(supply.call(self.weigh, **self.variant), run.activations)
            maps = image_map_unread(signed, channels_second(images, self.channel_axis).shape[2:])
        return (run.outputs, maps, signed) if self.coarse else (run.outputs, maps)

    def agrees(self, images: Tensor, trace: Trace) -> bool:
        """Whether it says of these images what a run of the model itself does.

        Outputs, activations and gradients are compared.
        """
        with torch.enable_grad():
            outputs, rows, explained = self._logits_and_class(trace.outputs, self._classes(images))
            scores = rows.gather(1, explained.unsqueeze(1)).squeeze(1)
        with torch.no_grad():
            run = self._run(images, self._classes(images))
            (gradient,) = trace.gradients(scores)
            return (
                _close(outputs.detach(), run.outputs)
                and _close(trace.activations, run.activations)
                and _close(gradient, run.gradients["gradients"]())
            )

    def _run(self, images: Tensor, classes: Tensor | None) -> "_Run":
        """One pass, in the way that was settled when the explainer was made."""
        return (
            self._by_tail(images, classes)
            if self.opened is None
            else self._by_head(images, classes)
        )

    def _by_tail(self, images: Tensor, classes: Tensor | None) -> "_Run":
        """Outputs, activations and gradients from the traced graph, the backward pass included."""
        assert self.tail is not None
        inputs = (images,) if classes is None else (images, classes)
        outputs, node, gradient = self.tail(*inputs)
        return _Run(
            *self._logits_and_class(outputs, classes),
            activations=self.grid.read(node),
            gradients={"gradients": lambda: self.grid.read(gradient)},
        )

    def _by_head(self, images: Tensor, classes: Tensor | None) -> "_Run":
        """Behind a pooled linear head every class's gradients are the head's weights."""
        assert self.opened is not None
        found, node = self.opened(images)
        outputs, rows, explained = self._logits_and_class(found, classes)
        activations = self.grid.read(node)
        head = attrgetter(self._head)(self.opened).flatten(1)
        if outputs.shape[1] == 1:
            head = two_rows(head, dim=0)

        def class_gradients() -> Tensor:
            each = head.unsqueeze(1).expand(-1, rows.shape[0], -1)
            return free_gradients(each, activations.shape[2:])

        return _Run(
            outputs,
            rows,
            explained,
            activations,
            gradients={
                "head": lambda: head[explained],
                "gradients": lambda: free_gradients(head[explained], activations.shape[2:]),
                "class_gradients": class_gradients,
            },
        )

    def _logits_and_class(
        self, found: Any, classes: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs `[b, k]`, the logits of classes from 0 on, and the class explained `[b]`."""
        outputs = logits(found)
        rows = self.reading.logits(outputs)
        rows = two_rows(rows) if rows.shape[1] == 1 else rows
        predicted = rows.argmax(1)
        if classes is not None:
            return outputs, rows, torch.where(classes < 0, predicted, classes)
        if self.target is None:
            return outputs, rows, predicted
        return outputs, rows, torch.full_like(predicted, int(self.target))

    def _classes(self, images: Tensor) -> Tensor | None:
        """The second input to try it with, where there is one: the predicted classes."""
        if self.target != "given":
            return None
        return torch.full((images.shape[0],), -1, device=images.device)

    def check(self, images: Tensor, classes: Tensor | None) -> None:
        """Raises `ImageError` or `TargetError` for inputs it was not made for."""
        if not isinstance(images, Tensor) or not images.is_floating_point():
            came = f"{images.dtype}" if isinstance(images, Tensor) else type(images).__name__
            raise ImageError(
                "Expected images ready for the model, a float tensor [b,"
                f" {', '.join(map(str, self.shape))}]; got {came}. sightline.explain prepares"
                " files; an explainer takes what is prepared."
            )
        if images.ndim != len(self.shape) + 1 or images.shape[1] != self.shape[0]:
            raise ImageError(
                f"Expected images ready for the model, [b, {', '.join(map(str, self.shape))}]; got "
                f"{list(images.shape)}."
            )
        if not self.any_size and tuple(images.shape[2:]) != self.shape[1:]:
            raise ImageError(
                f"Expected images of the size {list(self.shape[1:])} that this explainer was made"
                f" for; got {list(images.shape[2:])}. Resize them, or make it with exportable(...,"
                " any_size=True)."
            )
        if (classes is None) == (self.target == "given"):
            came = "none came" if classes is None else "some came"
            raise TargetError(
                "Expected"
                f" {'a class for each image as second input' if classes is None else 'no classes'};"
                f" {came}. exportable(..., target='given') makes one that takes them; -1 asks for"
                " the predicted class."
            )
        if classes is not None and (
            not isinstance(classes, Tensor)
            or classes.is_floating_point()
            or classes.shape != images.shape[:1]
        ):
            came = (
                f"{classes.dtype} {list(classes.shape)}"
                if isinstance(classes, Tensor)
                else type(classes).__name__
            )
            raise TargetError(
                f"Expected a class for each image, an integer tensor [{images.shape[0]}]; got"
                f" {came}. -1 asks for the predicted class."
            )


def _close(one: Tensor | None, two: Tensor) -> bool:
    """Whether two tensors are equal up to a thousandth of the larger values."""
    if one is None or one.shape != two.shape:
        return False
    return bool(((one - two).abs() <= 1e-3 * one.abs().max()).all())


def _held(opened: Opened, head: Tensor) -> str:
    """Where the head's weights are: in a parameter if they can, so that no file has them twice."""
    for name, weight in opened.named_parameters():
        same_memory = weight.data_ptr() == head.data_ptr()
        if same_memory and weight.shape[:2] == head.shape and weight.numel() == head.numel():
            return name
    opened.register_buffer("head", head.clone())
    return "head"
