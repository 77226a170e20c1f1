"""The layers of a model that have a spatial grid, in the order of running."""

import re
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import grid_of, is_attention, slots
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape
from sightline.surgery.harness.hooks import Hook, hooked

_INSIDE = re.compile(r"attention|attn|mlp|feed_?forward|ffn", re.IGNORECASE)
_PASSES_ON = re.compile(
    r"Pool(?!Former)|Dropout|DropPath|Identity|Flatten|StochasticDepth|Upsample|Softmax"
    r"|^(?!.*(Conv|Linear)).*Pad(ding)?([123]d)?$"
)


@dataclass
class Candidate:
    """A layer with a spatial grid, in the order of running.

    `names` are the module that made this tensor and those around it that return it, the outermost
    last (`layer4.2.relu`, `layer4.2`, `layer4`); `kind` is the class that made it; `stride` the
    input's size over the grid's.
    """

    names: list[str]
    kind: str
    shape: Shape
    grid: Grid
    stride: tuple[float, ...]
    calls: int = 1
    chosen: str = ""
    mean: Tensor | None = field(default=None, repr=False)
    sketch: Tensor | None = field(default=None, repr=False)
    """A few numbers for each position (or token) of the first image: where does a change show?"""
    inside: bool = False
    """Whether it lies inside an attention or an MLP, and so is no stage of the network."""
    level: bool = False
    """Whether maps of several sizes were returned together before: it may be a pyramid's level."""

    @property
    def name(self) -> str:
        """The outermost name."""
        return self.names[-1]

    @property
    def channels(self) -> int:
        """How many feature maps it has."""
        return self.shape[1] if self.grid.kind == "channels first" else self.shape[-1]

    @property
    def passes_on(self) -> bool:
        """Whether it only pools, drops or reshapes what an earlier layer made."""
        return bool(_PASSES_ON.search(self.kind))


def candidates(given: Given) -> tuple[list[Candidate], Any]:
    """Run the model once, without a graph: its layers with a grid, and its outputs."""
    model, recorder = given.model, _Recorder(given.frame.images)
    hooks = ((part, recorder.hook(name, model)) for name, part in model.named_modules() if name)
    with guard.untouched(model), torch.no_grad(), hooked(hooks):
        outputs = given.run()
    return recorder.rows, outputs


class _Recorder:
    """Writes down every feature map that a module returns.

    Modules that return the same tensor share a row.
    """

    def __init__(self, images: Shape) -> None:
        self.images = images
        self.rows: list[Candidate] = []
        self._by_name: dict[str, Candidate] = {}
        self._pyramid = False
        self._gridless: set[str] = set()
        # The tensor of the last row and its version: an in-place layer returns the same object with
        # other numbers. Weak, since the survey should hold no more of a network than a run does.
        self._last: tuple[weakref.ref[Tensor], int] | None = None
        self._last_is_input = False

    def hook(self, name: str, model: nn.Module) -> Hook:
        """The forward hook of the module of this name."""
        return partial(self._note, name, _lies_inside(name, model))

    def _note(self, name: str, inside: bool, module: nn.Module, args: Any, output: Any) -> None:
        maps = self._maps_in(output)
        levels = {grid.size for _, grid in maps if grid.kind != "tokens" and grid.certain}
        self._pyramid = self._pyramid or len(levels) > 1
        from_input = bool(maps) and any(maps[0][0] is one for one in args)
        one_of_several_branches = from_input and len(maps) > 1
        if not maps or len(levels) > 1 or one_of_several_branches:
            self._forget(name)
            self._gridless.add(name)  # for good: `capture` opens a layer at every run
            return
        kind = type(module).__name__
        self._write(name, kind, *maps[0], inside, from_input and bool(_PASSES_ON.search(kind)))

    def _maps_in(self, output: Any) -> list[tuple[Tensor, Grid]]:
        """The feature maps in an output and their grids, looked for as `capture` does."""
        return [
            (tensor, grid)
            for tensor, _ in slots(output)
            if tensor.is_floating_point()
            and (grid := grid_of(tuple(tensor.shape), self.images)) is not None
            and not is_attention(tensor)
        ]

    def _write(
        self, name: str, kind: str, tensor: Tensor, grid: Grid, inside: bool, is_input: bool
    ) -> None:
        """A new row, or one more name for the last one.

        `is_input`: the module handed on what it was given. If no module had returned that, the one
        around it made it.
        """
        if name in self._gridless:
            return
        if self._is_last(tensor):
            row = self.rows[-1]
            if row.names[0].startswith(f"{name}."):  # around the layer, not a dropout behind it
                row.names.append(name)
                row.inside = inside
                row.kind = kind if self._last_is_input else row.kind
                self._last_is_input = self._last_is_input and is_input
                self._by_name[name] = row
            return
        self._last_is_input = is_input
        self._last = (weakref.ref(tensor), _version(tensor))
        stride = tuple(i / s for i, s in zip(self.images[2:], grid.size, strict=True))
        row = Candidate(
            [name], kind, tuple(tensor.shape), grid, stride, inside=inside, level=self._pyramid
        )
        row.mean = grid.read(tensor).flatten(2).float().mean(2)
        first = tensor[0] if grid.kind == "tokens" else grid.read(tensor)[0].flatten(1).T
        row.sketch = _sketch(first)
        row.calls += self._forget(name)
        self._by_name[name] = row
        self.rows.append(row)

    def _is_last(self, tensor: Tensor) -> bool:
        if self._last is None:
            return False
        last, version = self._last
        return last() is tensor and version == _version(tensor)

    def _forget(self, name: str) -> int:
        """The module ran before, and its last run counts: how often it did."""
        before = self._by_name.pop(name, None)
        if before is None:
            return 0
        before.names.remove(name)
        self.rows = [row for row in self.rows if row.names]
        return before.calls


def _version(tensor: Tensor) -> int:
    """How often it was written to; a model's own inference mode does not count that."""
    return 0 if tensor.is_inference() else tensor._version


def _sketch(positions: Tensor) -> Tensor:
    """`[n, c]` as `[n, 4]`: weighted sums over the channels, in which hardly a change can hide."""
    channels = torch.arange(1.0, positions.shape[1] + 1, device=positions.device)
    weights = torch.cos(torch.outer(channels, channels.new_tensor([0.7, 1.3, 2.1, 2.9])))
    return positions.float() @ weights


def _lies_inside(name: str, model: nn.Module) -> bool:
    module, parts = model, name.split(".")
    for part in parts[:-1]:
        module = module.get_submodule(part)
        if _INSIDE.search(type(module).__name__):
            return True
    return False
