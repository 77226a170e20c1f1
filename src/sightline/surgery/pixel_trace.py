"""Run a model once and look back past every layer, to the pixels.

As in `layer_trace.py` the model is given back as it was. Here the graph begins at the picture: a
detached copy of it is the leaf, so the caller's tensor is neither written to nor marked, and what
the model gets is a copy of the leaf, so that an in-place first layer may write over it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import MethodError, SurgeryError
from sightline.surgery.backward.detached_weights import DetachWeights
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.backward.guided_rules import GuidedRule, left_alone
from sightline.surgery.harness import guard
from sightline.surgery.harness.arguments import channels_second, replaced
from sightline.surgery.harness.attributes import Left
from sightline.surgery.harness.checkpoints import reentrant_refused, unless_checkpointed
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.model_io import inference_refused, made_in_inference, run


@dataclass
class PixelTrace:
    """One run of a model with a graph from the picture on. `outputs` is what the model returned.

    `left` is what it left in the model's attributes, as in a `Trace`.
    """

    outputs: Any
    model: nn.Module = field(repr=False)
    node: Tensor = field(repr=False)
    channel_axis: int = 1
    """Which axis of the node holds the channels; what comes back has them behind the batch."""
    left: Sequence[Left] = field(default=(), repr=False)

    def kept(self) -> AbstractContextManager[object]:
        """Inside, what the run left in the model's attributes is there: a target may read it."""
        return guard.as_left(self.left)

    def gradients(
        self, scores: Tensor | Callable[[Any], Tensor], rule: str | None = None
    ) -> tuple[Tensor, dict[str, int]]:
        """What comes back to the pixels, float32 at least, and how many activations it governed.

        `scores` is `[b]`, giving `[b, c, *s]`, or `[n, b]`, giving `[n, b, c, *s]`; a function of
        the outputs is called with recording on. `rule` is None for the derivative, `"guided"` or
        `"deconvnet"` (see `GuidedRule`). The counts are by kind, `{"ReLU": 26}`, of one question;
        `{}` for the derivative. May be called again.

        Raises `SurgeryError` where the scores do not depend on the pixels, `MethodError` for an
        unknown rule and where the rule finds no activation to govern.
        """
        # Guarded once more, because a checkpointed model runs again during its backward pass.
        with guard.untouched(self.model, self.left), torch.enable_grad():
            scores = scores(self.outputs) if callable(scores) else scores
            if rule is None:
                return self._read(self._finite(scores, None)[0], scores.ndim - 1), {}
            rows = [self._finite(row, rule) for row in (scores if scores.ndim > 1 else [scores])]
        governed: Counter[str] = Counter()
        for _, counts in rows:
            governed |= counts
        found = [gradient for gradient, _ in rows]
        together = torch.stack(found) if scores.ndim > 1 else found[0]
        return self._read(together, scores.ndim - 1), dict(governed)

    def _read(self, gradient: Tensor, lead: int) -> Tensor:
        return channels_second(gradient, self.channel_axis, lead)

    def _finite(self, scores: Tensor, rule: str | None) -> tuple[Tensor, Counter[str]]:
        """What comes back, from smaller scores if that is needed to have numbers."""
        gradient, governed = self._backward(scores, rule)
        if not gradient.isfinite().all():
            # fp16 may have overflowed: deconvnet's sums grow from layer to layer. From a smaller
            # score everything comes back smaller in proportion, by the derivative and by both
            # rules.
            for factor in (2.0**-10, 2.0**-20):
                smaller, _ = self._backward(scores.float() * factor, rule)
                if smaller.isfinite().all():
                    return smaller / factor, governed
        return gradient, governed

    def _backward(self, scores: Tensor, rule: str | None) -> tuple[Tensor, Counter[str]]:
        guided = GuidedRule(rule) if rule is not None else None
        name = type(self.model).__name__
        with reentrant_refused(self.model), guided or nullcontext():
            (gradient,) = gradients(scores, [self.node], skip_zeros=guided is None)
        if gradient is None and made_in_inference(self.outputs):
            raise inference_refused(f"the end of {name}")
        if gradient is None:
            raise SurgeryError(
                f"Expected scores that depend on the pixels; those of {name} do not. Look in the"
                " model for torch.no_grad(), torch.inference_mode(), .detach(), argmax or rounding"
                " on the way; a CAM at a layer behind it works."
            )
        if guided is not None and not guided.governed:
            others = (
                ", ".join(f"{n} {kind}" for kind, n in left_alone(scores).items())
                or "no other that is known"
            )
            raise MethodError(
                f"Expected a rectifier or a smooth gate for the {rule} rule between the scores and"
                f" the pixels; {name} has none (activations left alone: {others}). Take"
                " method='gradient', which needs none, or use torch's own functions in the model:"
                " F.relu(x), F.silu(x)."
            )
        return gradient, Counter() if guided is None else guided.governed


def capture_pixels(model: nn.Module, inputs: Any) -> PixelTrace:
    """Run the model on the inputs once, with a graph that begins at the picture.

    `inputs` is a tensor, a tuple of positional or a dict of keyword arguments; the first floating
    point tensor `[b, c, *s]` among them is the picture. The model runs in eval mode and comes out
    bit-equal, also after an error; no parameter gets a `.grad`. Works under `no_grad` and
    `inference_mode` and with frozen parameters.

    Kept for the way back is what frozen weights would keep: see `DetachWeights`. Raises
    `SurgeryError` where no input is a picture.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ... )
    >>> trace = capture_pixels(net, torch.ones(2, 3, 8, 8))
    >>> pixels, governed = trace.gradients(trace.outputs[:, 0], "guided")
    >>> pixels.shape, governed
    (torch.Size([2, 3, 8, 8]), {'ReLU': 1})
    """
    given = Given.of(model, inputs)
    _ = given.shape  # says so where there is no image, or none with a grid
    with guard.untouched(given.model) as left, torch.enable_grad():
        trace = unless_checkpointed(lambda: _run_detached(given), lambda: _run(given))
    return replace(trace, left=left)


def _run_detached(given: Given) -> PixelTrace:
    with DetachWeights():
        return _run(given)


def _run(given: Given) -> PixelTrace:
    """The run with a copy of the leaf in the image's place.

    Handed in twice, the image is replaced where it comes first: its other place is another input.
    """
    own, places = given.image, count()
    leaf = own.detach().clone().requires_grad_()

    def or_leaf(one: Tensor) -> Tensor:
        return leaf.clone() if one is own and next(places) == 0 else one

    outputs = run(given.model, *replaced(given.args, given.kwargs, or_leaf))
    return PixelTrace(outputs, given.model, leaf, given.channel_axis)
