"""Run a model once and keep what its layer saw; then look back, only as far as that layer.

The forward starts without a graph. When the chosen layer has spoken, its output is detached into a
leaf, recording is switched on, and the model goes on with a *clone* of the leaf: an in-place ReLU
behind the cut then writes over the clone, not over what is kept. So the graph exists only behind
the layer, on any model, without rewriting it. `torch.autograd.grad` writes no `.grad`, and the
hooks are gone before `capture` returns.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.backward.detached_weights import DetachFrom
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.backward.linear_head import free_gradients, pooled_head
from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import find_map
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Reader, Shape
from sightline.surgery.harness.input_frame import Frame
from sightline.surgery.harness.model_io import tensors_in
from sightline.surgery.harness.resolve import Where, resolve
from sightline.tensors import allow_grad, at_least_float32
from sightline.types import Activations


@dataclass
class TracedLayer:
    """One layer, opened: its activations `[b, c, *s]` and where they lie in the graph.

    `calls` counts how often the layer ran; `call` is the run that was kept. `shares` is how much of
    the grid, along each axis and from its start, lies on the picture, where the model pads it
    inside; None: all of it.
    """

    layer: str
    activations: Activations
    grid: Grid
    calls: int
    call: int
    node: Tensor = field(repr=False)
    shares: tuple[float, ...] | None = None


@dataclass
class Trace:
    """One run of a model, opened at some layers.

    `outputs` is what the model returned, with a graph that reaches back to the earliest of the
    layers. `plain` tells that this graph is all there is to the way back: nothing on it is hooked
    or computed again.
    """

    outputs: Any
    cuts: tuple[TracedLayer, ...]
    model: nn.Module = field(repr=False)
    differentiable: bool = False
    plain: bool = False

    @property
    def activations(self) -> Activations:
        """The first layer's activations `[b, c, *s]`."""
        return self.cuts[0].activations

    def gradients(
        self, scores: Tensor | Callable[[Any], Tensor], classes: Tensor | None = None
    ) -> tuple[Tensor | None, ...]:
        """Derivatives of the scores at each layer; None where the scores do not depend on it.

        `scores` is `[b]`, giving `[b, c, *s]` for each layer, or `[n, b]`, giving `[n, b, c, *s]`:
        more questions about the same run cost only what lies behind the layers. With `classes` `[b,
        n]` the scores are logits `[b, k]`, and question j asks image i for its class `classes[i,
        j]`. A function of the outputs is called with recording on, and so works under `no_grad`
        too. May be called again. A gradient that is the same at every place may be a view with the
        stride 0 there.
        """
        if (
            classes is not None
            and isinstance(scores, Tensor)
            and self.plain
            and len(self.cuts) == 1
        ):
            with allow_grad():
                weights = pooled_head(scores, self.cuts[0].node, self.cuts[0].grid)
            if weights is not None:
                return (_free(weights[classes.T], self.cuts[0]),)
        nodes = [cut.node for cut in self.cuts]
        # Guarded once more: parts of a model may run again on the way back, by checkpoints or by
        # functions of its own.
        with guard.untouched(self.model), torch.enable_grad():
            scores = scores(self.outputs) if callable(scores) else scores
            seeds = None if classes is None else _seeds(scores, classes)
            try:
                found = gradients(
                    scores,
                    nodes,
                    seeds=seeds,
                    differentiable=self.differentiable,
                    unhooked=self.plain,
                )
            except RuntimeError as error:
                if "use_reentrant" not in str(error):
                    raise
                raise SurgeryError(
                    "Expected checkpoints that can be looked back through;"
                    f" {type(self.model).__name__} calls torch.utils.checkpoint with"
                    " use_reentrant=True. Pass False there: the numbers are the same."
                ) from error
        lead = scores.ndim - 1 if seeds is None else 1
        return tuple(
            None if grad is None else _read(cut.grid, grad, lead)
            for cut, grad in zip(self.cuts, found, strict=True)
        )

    def head(self, rows: Tensor, cut: int) -> Tensor | None:
        """The weights `[k, c]` of a linear head on the mean of a layer, if the logits `rows` `[b,
        k]` are one.
        """
        with guard.untouched(self.model):  # autograd may have to confirm it
            return pooled_head(rows, self.cuts[cut].node, self.cuts[cut].grid)

    def class_gradients(self, rows: Tensor, cut: int) -> Tensor | None:
        """Derivatives of every logit `[b, k]` at a layer, `[k, b, c, *s]`; None where they do not
        depend on it.
        """
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
    grid: Shape | Reader | None = None,
    differentiable: bool = False,
) -> Trace:
    """Run the model on the inputs once, opened at a layer (or several).

    `inputs` is a tensor, a tuple of positional or a dict of keyword arguments. `layer` is a name, a
    module or a function from the model to a module. A layer that runs more than once is taken at
    its last run, or at `call`. `grid` states how to read the layer where that cannot be inferred.
    `differentiable=True` keeps the whole graph, so that a loss on the maps can train the model.

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
    named: list[Any] = list(layer) if isinstance(layer, list | tuple) else [layer]
    wanted = [resolve(given.model, one) for one in named]
    scalpels = [_TraceHook(name, module, given.frame, call, grid) for name, module in wanted]
    with guard.untouched(given.model):
        outputs, plain = _operate(given, scalpels, graph=differentiable)
        if not differentiable and not any(tensor.requires_grad for tensor in tensors_in(outputs)):
            # A `no_grad` inside the model ended recording behind the layer. With recording on from
            # the start it survives: more memory, the same numbers.
            outputs, plain = _operate(given, scalpels, graph=True)
    return Trace(
        outputs,
        tuple(scalpel.cut(differentiable) for scalpel in scalpels),
        given.model,
        differentiable,
        plain,
    )


_HOOKED = "saved tensors are hooked: run with the weights as they are"
"""What is kept is compared by checkpointing, which computes it again, and then with the weights
themselves.
"""


def _operate(
    given: Given, scalpels: Sequence["_TraceHook"], graph: bool, checkpointed: bool = False
) -> tuple[Any, bool]:
    """The outputs, and whether the graph behind the layer is plain.

    The weights are put aside behind the layer, unless the model turns out to be checkpointed.
    """
    whole = graph or checkpointed
    forbidden = (
        nullcontext() if whole else torch.autograd.graph.disable_saved_tensors_hooks(_HOOKED)
    )
    try:
        with (
            torch.set_grad_enabled(graph),
            DetachFrom() as aside,
            _hooked(scalpels, None if whole else aside),
            forbidden,
        ):
            outputs = given.run()
        return outputs, aside.plain
    except RuntimeError as error:
        if "Inference tensors cannot be saved" in str(error):
            raise SurgeryError(
                f"Expected a model that can record a graph; {type(given.model).__name__} computes"
                " with tensors made under torch.inference_mode(), where none can be. Build the model"
                " and load its weights outside of it."
            ) from error
        if whole or _HOOKED not in str(error):
            raise
    return _operate(given, scalpels, graph, checkpointed=True)


@contextmanager
def _hooked(scalpels: Sequence["_TraceHook"], opened: Callable[[], None] | None) -> Iterator[None]:
    handles = []
    try:
        for scalpel in scalpels:
            scalpel.start(opened)
            handles.append(scalpel.module.register_forward_hook(scalpel))
        yield
    finally:
        for handle in handles:
            handle.remove()


class _TraceHook:
    """The forward hook of one layer."""

    def __init__(
        self, name: str, module: nn.Module, frame: Frame, call: int, grid: Shape | Reader | None
    ) -> None:
        self.name, self.module, self.frame, self.call, self.stated = name, module, frame, call, grid

    def start(self, opened: Callable[[], None] | None) -> None:
        """Ready for a run; `opened` is called when the layer has been opened."""
        self.opened = opened
        self.thread, self.calls, self.kept = threading.get_ident(), 0, -1
        self.node: Tensor | None = None
        self.grid: Grid | None = None

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        if threading.get_ident() != self.thread:
            return None  # somebody else's forward on the same model
        if torch.is_inference_mode_enabled():
            raise SurgeryError(
                f"Expected a model that can record a graph; layer {self.name!r} runs inside its own"
                " torch.inference_mode(), where none can be. Use torch.no_grad() there, which can"
                " be looked into."
            )
        index, self.calls = self.calls, self.calls + 1
        if self.call >= 0 and index != self.call:
            return None
        tensor, grid, put = find_map(output, self.frame.images, self.name, self.stated)
        if not (tensor.requires_grad and torch.is_grad_enabled()):
            tensor = tensor.detach().requires_grad_()
            torch.set_grad_enabled(True)
            if self.opened is not None:
                self.opened()
        self.node, self.grid, self.kept = tensor, grid, index
        return put(tensor.clone())

    def cut(self, differentiable: bool) -> TracedLayer:
        if self.node is None or self.grid is None:
            ran = f"it ran {self.calls} times" if self.calls else "it did not run on this input"
            raise SurgeryError(
                f"Expected layer {self.name!r} to"
                f" run{'' if self.call < 0 else f' at least {self.call + 1} times'}; {ran}. Name a"
                " layer that does: sightline.layers(model, images) lists them."
            )
        shown = (
            self.node if differentiable else self.node.detach()
        )  # a loss on the map must reach the weights
        read = self.grid.read(shown)
        return TracedLayer(
            self.name, read, self.grid, self.calls, self.kept, self.node, self.frame.shares
        )


def _seeds(rows: Tensor, classes: Tensor) -> Tensor:
    """`[n, b, k]`: one where the class is asked for."""
    seeds = rows.new_zeros(classes.shape[1], *rows.shape)
    return seeds.scatter_(2, classes.T.unsqueeze(2), 1)


def _free(weights: Tensor, cut: TracedLayer) -> Tensor:
    return free_gradients(at_least_float32(weights), tuple(cut.activations.shape[2:]))


def _read(grid: Grid, gradient: Tensor, lead: int) -> Tensor:
    if lead == 0:
        return grid.read(gradient)
    maps = grid.read(gradient.flatten(0, 1))
    return maps.reshape(gradient.shape[0], gradient.shape[1], *maps.shape[1:])
