"""One layer, opened for one run: the hook that begins a graph at it, and what it found there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError, SurgeryError
from sightline.surgery.harness.checkpoints import inside_reentrant
from sightline.surgery.harness.feature_map import find_map_at
from sightline.surgery.harness.grids import Grid, Stated
from sightline.surgery.harness.input_frame import Frame
from sightline.surgery.harness.model_io import inference_refused
from sightline.types import Activations


@dataclass(frozen=True)
class LayerRun:
    """A run of a layer (`call`; -1: the last that has a map), and how its output is read."""

    name: str
    call: int = -1
    grid: Any = None

    @property
    def key(self) -> tuple[Any, ...]:
        """The same as what is asked of the memory."""
        return self.name, self.call, self.grid


@dataclass
class TracedLayer:
    """One layer, opened: its activations `[b, c, *s]` and where they lie in the graph.

    `calls` counts how often the layer ran; `call` is the run that was kept. `shares` is how much of
    the grid, along each axis and from its start, lies on the image, where the model pads it inside;
    None: all of it.
    """

    layer: str
    activations: Activations
    grid: Grid
    calls: int
    call: int
    node: Tensor = field(repr=False)
    shares: tuple[float, ...] | None = None
    closed: bool = False


class LayerNotRunError(SurgeryError):
    """A layer that does not run on these inputs, or not so often."""


class OpeningHook:
    """The forward hook of one layer: what that returns at the wanted run becomes a leaf.

    The last run with a map is the wanted one where `call` is -1.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        frame: Frame,
        call: int,
        grid: Stated,
    ) -> None:
        self.name, self.module, self.frame, self.call, self.stated = name, module, frame, call, grid

    def start(self, when_opened: Callable[[], None] | None) -> None:
        """Ready for a run; `when_opened` is called when the layer has been opened."""
        self.when_opened = when_opened
        self.calls, self.kept = 0, -1
        self.node: Tensor | None = None
        self.grid: Grid | None = None
        self.unreadable: LayerError | None = None
        self.closed = False

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        """The layer's output with a clone of the leaf in the place of its map."""
        if torch.is_inference_mode_enabled():
            raise inference_refused(f"layer {self.name!r}")
        index, self.calls = self.calls, self.calls + 1
        if self.call >= 0 and index != self.call:
            return None
        found = find_map_at(output, self.frame.images, self.name, self.stated, self.call)
        if isinstance(found, LayerError):
            self.unreadable = found
            return None
        tensor, grid, put = found
        # Where the graph has begun already, at an earlier layer or at the weights, it goes on: a
        # leaf here would cut the earlier layer off.
        if not (tensor.requires_grad and torch.is_grad_enabled()):
            tensor = tensor.detach().requires_grad_()
            # Inside the model's own forward, so that all it does from here on is recorded; whoever
            # runs it puts the mode back.
            torch.set_grad_enabled(True)
            if self.when_opened is not None:
                self.when_opened()
        # With call=-1 every run is kept until the next one comes: which is the last is not known.
        self.node, self.grid, self.kept = tensor, grid, index
        self.closed = inside_reentrant()
        # A clone goes on: an in-place layer behind must not write over what is kept.
        return put(tensor.clone())

    def traced(self, differentiable: bool) -> TracedLayer:
        """What was found. Raises `LayerNotRunError` where it did not run as often as wanted."""
        if self.node is None and self.unreadable is not None:
            raise self.unreadable
        if self.node is None or self.grid is None:
            ran = f"it ran {self.calls} times" if self.calls else "it did not run on this input"
            raise LayerNotRunError(
                f"Expected layer {self.name!r} to"
                f" run{'' if self.call < 0 else f' at least {self.call + 1} times'}; {ran}. Name a"
                " layer that does: sightline.layers(model, images) lists them."
            )
        # A loss on the map must reach the weights.
        values = self.node if differentiable else self.node.detach()
        return TracedLayer(
            self.name,
            self.grid.read(values),
            self.grid,
            self.calls,
            self.kept,
            self.node,
            self.frame.shares,
            self.closed,
        )
