"""Run a model once and keep what its layer saw; then look back, only as far as that layer.

The forward starts without a graph. When the chosen layer has spoken, its output is detached into a
leaf, recording is switched on, and the model goes on with a *clone* of the leaf: an in-place ReLU
behind the cut then writes over the clone, not over what is kept. So the graph exists only behind
the layer, on any model, without rewriting it. `torch.autograd.grad` writes no `.grad`, and the
hooks are gone before `capture` returns.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.backward.detached_weights import DetachFrom
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.backward.graph import is_short_and_torchs_own
from sightline.surgery.backward.linear_head import free_gradients, pooled_head
from sightline.surgery.harness import guard
from sightline.surgery.harness.attributes import Left
from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.checkpoints import reentrant, reentrant_refused, unless_checkpointed
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Stated, stated_for
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import (
    inference_refused,
    made_in_inference,
    tensors_in,
)
from sightline.surgery.harness.opened_layer import OpeningHook, TracedLayer
from sightline.surgery.harness.resolve import Where, resolve
from sightline.tensors import allow_grad, at_least_float32
from sightline.types import Activations


@dataclass
class Trace:
    """One run of a model, opened at some layers.

    `outputs` is what the model returned, with a graph that reaches back to the earliest of the
    layers. `plain` tells that this graph is all there is to the way back: nothing on it is hooked
    or computed again. `left` is what the run left in the model's attributes: it is there again
    while something is asked of the trace.
    """

    outputs: Any
    cuts: tuple[TracedLayer, ...]
    model: nn.Module = field(repr=False)
    differentiable: bool = False
    plain: bool = False
    left: Sequence[Left] = field(default=(), repr=False)

    @property
    def activations(self) -> Activations:
        """The first layer's activations `[b, c, *s]`."""
        return self.cuts[0].activations

    def kept(self) -> AbstractContextManager[object]:
        """Inside, what the run left in the model's attributes is there: a target may read it."""
        return guard.as_left(self.left)

    def gradients(
        self, scores: Tensor | Callable[[Any], Tensor], classes: Tensor | None = None
    ) -> tuple[Tensor | None, ...]:
        """Derivatives of the scores at each layer; None where the scores do not depend on it.

        `scores` is `[b]`, giving `[b, c, *s]` for each layer, or `[n, b]`, giving `[n, b, c, *s]`:
        more questions about the same run cost only what lies behind the layers. With `classes` `[b,
        n]` the scores are logits `[b, k]`, and question j asks image i for its class `classes[i,
        j]`. A function of the outputs is called with recording on, and so works under `no_grad`
        too. May be called again. A gradient that is the same at every place may be a view with the
        stride 0 there. Raises `SurgeryError` where a checkpoint of the old kind is in the way.
        """
        if (
            classes is not None
            and isinstance(scores, Tensor)
            and self.plain
            and len(self.cuts) == 1
        ):
            # Behind a pooled linear head the head's weights are the gradients: no pass is needed.
            with allow_grad():
                weights = pooled_head(scores, self.cuts[0].node, self.cuts[0].grid)
            if weights is not None:
                return (_free(weights[classes.T], self.cuts[0]),)
        nodes = [cut.node for cut in self.cuts]
        with self._guarded(scores), torch.enable_grad():
            scores = scores(self.outputs) if callable(scores) else scores
            if not scores.requires_grad and made_in_inference(self.outputs):
                raise inference_refused(f"the end of {type(self.model).__name__}")
            seeds = None if classes is None else _seeds(scores, classes)
            with reentrant_refused(self.model):
                found = gradients(
                    scores,
                    nodes,
                    seeds=seeds,
                    differentiable=self.differentiable,
                    unhooked=self.plain,
                )
        if any(cut.closed and grad is None for cut, grad in zip(self.cuts, found, strict=True)):
            raise reentrant(self.model)
        lead = scores.ndim - 1 if seeds is None else 1
        return tuple(
            None if grad is None else _read(cut.grid, grad, lead)
            for cut, grad in zip(self.cuts, found, strict=True)
        )

    def _guarded(self, scores: Any) -> AbstractContextManager[object]:
        """Parts of a model may run on the way back: checkpoints, functions of its own."""
        if self.plain and isinstance(scores, Tensor) and is_short_and_torchs_own(scores):
            return allow_grad()
        return guard.untouched(self.model, self.left)

    def head(self, rows: Tensor, cut: int) -> Tensor | None:
        """The weights `[k, c]` of a linear head on a layer's mean, if logits `[b, k]` are one."""
        with guard.untouched(self.model, self.left):  # autograd may have to confirm it
            return pooled_head(rows, self.cuts[cut].node, self.cuts[cut].grid)

    def class_gradients(self, rows: Tensor, cut: int) -> Tensor | None:
        """Derivatives of each logit `[b, k]` at a layer, `[k, b, c, *s]`; None: they ignore it."""
        weights = self.head(rows, cut) if self.plain else None
        if weights is None:
            return self.gradients(lambda _: rows.T)[cut]
        return _free(weights.unsqueeze(1).expand(-1, len(rows), -1), self.cuts[cut])


def capture(
    model: nn.Module,
    inputs: Any,
    layer: Where | Sequence[Where],
    *,
    call: int = -1,
    grid: Stated | Mapping[str, Any] = None,
    differentiable: bool = False,
) -> Trace:
    """Run the model on the inputs once, opened at a layer (or several).

    `inputs` is a tensor, a tuple of positional or a dict of keyword arguments. `layer` is a name, a
    module or a function from the model to a module. A layer that runs more than once is taken at
    its last run that has a map, or at `call`. `grid` states how to read the layer where that cannot
    be inferred; a mapping by the layers' names does so for each. `differentiable=True` keeps the
    whole graph, so that a loss on the maps can train the model.

    The model runs in eval mode and comes out bit-equal, also after an error. Raises `LayerError`
    for an unknown or a grid-less layer, `SurgeryError` for a layer that did not run.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ... ).train()
    >>> trace = capture(net, torch.ones(2, 3, 8, 8), "1")
    >>> trace.activations.shape, net.training
    (torch.Size([2, 4, 6, 6]), True)
    >>> trace.gradients(trace.outputs[:, 0])[0][0, 0, 0, 0] * 36
    tensor(1.)
    """
    given = Given.of(model, inputs)
    if not isinstance(call, int) or call < -1:
        raise SurgeryError(
            f"Expected the number of a run, from 0 on, or -1 for the last; got call={call!r}. A"
            " layer that runs once needs none."
        )
    wanted: list[Any] = list(layer) if isinstance(layer, list | tuple) else [layer]
    modules = [resolve(given.model, one) for one in wanted]
    hooks = [
        OpeningHook(name, module, given.frame, call, _stated(name, module, grid))
        for name, module in modules
    ]
    with guard.untouched(given.model) as left:
        outputs, plain = _run(given, hooks, graph=differentiable)
        if not differentiable and not any(tensor.requires_grad for tensor in tensors_in(outputs)):
            # A `no_grad` inside the model was left behind the layer, and took the recording that
            # the hook had switched on with it: it puts the mode back that it found. Where recording
            # is on from the start that mode is the right one: more memory, the same numbers.
            outputs, plain = _run(given, hooks, graph=True)
    return Trace(
        outputs,
        tuple(hook.traced(differentiable) for hook in hooks),
        given.model,
        differentiable,
        plain,
        left,
    )


def _stated(name: str, module: nn.Module, grid: Any) -> Stated:
    """What is stated of one layer, or known of it by its class."""
    stated: Stated = stated_for(name, grid)
    return kind_of(module) if stated is None else stated


def _run(given: Given, hooks: Sequence[OpeningHook], graph: bool) -> tuple[Any, bool]:
    """The outputs, and whether the graph behind the layer is plain.

    Unless the whole `graph` is to be kept, the weights are put aside behind the layer.
    """
    try:
        if graph:
            return _run_once(given, hooks, graph=True)
        return unless_checkpointed(
            lambda: _run_once(given, hooks, detach=True), lambda: _run_once(given, hooks)
        )
    except RuntimeError as error:
        if "Inference tensors cannot be saved" not in str(error):
            raise
        raise SurgeryError(
            f"Expected a model that can record a graph; {type(given.model).__name__} computes with"
            " tensors made under torch.inference_mode(), where none can be. Build the model and"
            " load its weights outside of it."
        ) from error


def _run_once(
    given: Given, hooks: Sequence[OpeningHook], graph: bool = False, detach: bool = False
) -> tuple[Any, bool]:
    """Recording from the start or from the layer on; with the weights detached behind it or not."""
    with (
        # The hook will switch it on, in the midst of the model's forward; here it is put back.
        torch.set_grad_enabled(graph),
        DetachFrom() as detach_weights,
        hooked((hook.module, hook) for hook in hooks),
    ):
        for hook in hooks:
            hook.start(detach_weights if detach else None)
        outputs = given.run()
    return outputs, detach_weights.plain


def _seeds(rows: Tensor, classes: Tensor) -> Tensor:
    """`[n, b, k]`: one where the class is asked for."""
    seeds = rows.new_zeros(classes.shape[1], *rows.shape)
    return seeds.scatter_(2, classes.T.unsqueeze(2), 1)


def _free(weights: Tensor, cut: TracedLayer) -> Tensor:
    """Gradients for free: the head's weights, the same at every position."""
    return free_gradients(at_least_float32(weights), tuple(cut.activations.shape[2:]))


def _read(grid: Grid, gradient: Tensor, lead: int) -> Tensor:
    """A gradient with so many axes before the batch, on the layer's grid."""
    if lead == 0:
        return grid.read(gradient)
    if grid.reader is not None:  # it may count on as many rows as there are pictures
        return torch.stack([grid.read(one) for one in gradient])
    maps: Tensor = grid.read(gradient.flatten(0, 1)).unflatten(0, (len(gradient), -1))
    return maps
