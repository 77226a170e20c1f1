"""The layers of a model that have a spatial grid, in the order of running."""

import re
import weakref
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.channel_kind import ChannelKinds
from sightline.surgery.harness.feature_map import grid_of, is_attention, slots
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape
from sightline.surgery.harness.hooks import Hook, hooked

_INSIDE = re.compile(r"attention|attn|mlp|feed_?forward|ffn", re.IGNORECASE)
_PASSES_ON = re.compile(
    r"Pool(?!Former)|Dropout|DropPath|Identity|Flatten|StochasticDepth|Upsample|Softmax"
    r"|^(?!.*(Conv|Linear)).*Pad(ding)?([123]d)?$"
)


@dataclass(eq=False)
class Candidate:
    """A run of a layer with a spatial grid, in the order of running.

    `names` are the module that made this tensor and those around it that return it, the outermost
    last (`layer4.2.relu`, `layer4.2`, `layer4`), `runs` says which run of each it was, from 0;
    `kind` is the class that made it; `stride` the input's size over the grid's; `calls` is how
    often the outermost ran.
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
    runs: list[int] = field(default_factory=lambda: [0])
    call: int = -1
    """What to say for this run, where a layer is named: -1 where it is the one that is taken."""

    @property
    def name(self) -> str:
        """The outermost name."""
        return self.names[-1]

    @property
    def run(self) -> int:
        """Which run of the outermost it was, from 0."""
        return self.runs[-1]

    @property
    def channels(self) -> int:
        """How many feature maps it has."""
        return self.shape[self.grid.channel_axis]

    @property
    def passes_on(self) -> bool:
        """Whether it only pools, drops or reshapes what an earlier layer made."""
        return bool(_PASSES_ON.search(self.kind))


def candidates(given: Given) -> tuple[list[Candidate], Any]:
    """Run the model once, without a graph: its layers with a grid, and its outputs."""
    model, recorder = given.model, _Recorder(given.frame.images)
    parts = [(name, part) for name, part in model.named_modules() if name]
    begun = hooked(((part, partial(recorder.begin, name)) for name, part in parts), before=True)
    ended = hooked((part, recorder.hook(name, model)) for name, part in parts)
    with guard.untouched(model), torch.no_grad(), begun, ended, recorder.kinds:
        outputs = given.run()
    return recorder.finished(), outputs


class _Recorder:
    """Writes down every feature map that a module returns, a row for each run.

    Modules that return the same tensor share a row.
    """

    def __init__(self, images: Shape) -> None:
        self.images, self.kinds = images, ChannelKinds()
        self.rows: list[Candidate] = []
        self._ran: Counter[str] = Counter()
        self._taken: dict[str, int] = {}
        """The last run of each that has a map: it is the one that is taken where none is named."""
        self._pyramid = False
        # The tensor of the last row and its version: an in-place layer returns the same object with
        # other numbers. Weak, since the survey should hold no more of a network than a run does.
        self._last: tuple[weakref.ref[Tensor], int] | None = None
        self._last_begun = 0
        self._last_is_input = False
        self._running: list[tuple[str, int]] = []
        """The modules that have begun and not ended, the innermost last, and when each began."""
        self._begun = 0

    def begin(self, name: str, _: nn.Module, __: Any) -> None:
        """A module of this name begins."""
        self._running.append((name, self._begun))
        self._begun += 1

    def _ended(self, name: str) -> int:
        """When the module that ends now had begun; what an error left behind inside it is gone."""
        while self._running[-1][0] != name:
            self._running.pop()
        return self._running.pop()[1]

    def hook(self, name: str, model: nn.Module) -> Hook:
        """The forward hook of the module of this name."""
        return partial(self._note, name, _lies_inside(name, model))

    def finished(self) -> list[Candidate]:
        """The rows, when all has run; each knows how often its layer ran."""
        for row in self.rows:
            row.calls = self._ran[row.name]
            row.call = -1 if self._taken[row.name] == row.run else row.run
        return self.rows

    def _note(self, name: str, inside: bool, module: nn.Module, args: Any, output: Any) -> None:
        run, self._ran[name] = self._ran[name], self._ran[name] + 1
        with self.kinds.paused():
            self._note_run(name, run, self._ended(name), inside, module, args, output)

    def _note_run(
        self,
        name: str,
        run: int,
        begun: int,
        inside: bool,
        module: nn.Module,
        args: Any,
        output: Any,
    ) -> None:
        maps = self._maps_in(output)
        if not maps:
            return
        self._taken[name] = run
        levels = {grid.size for _, grid in maps if grid.kind != "tokens" and grid.certain}
        self._pyramid = self._pyramid or len(levels) > 1
        from_input = any(maps[0][0] is one for one in args)
        one_of_several_branches = from_input and len(maps) > 1
        if len(levels) <= 1 and not one_of_several_branches:
            kind = type(module).__name__
            passed_on = from_input and bool(_PASSES_ON.search(kind))
            if self._is_last(maps[0][0]):
                if begun < self._last_begun:  # around the layer, not a dropout behind it
                    self._name(name, run, kind, inside, passed_on)
            else:
                self._last_begun, self._last_is_input = begun, passed_on
                self._write(name, run, kind, *maps[0], inside)

    def _maps_in(self, output: Any) -> list[tuple[Tensor, Grid]]:
        """The feature maps in an output and their grids, looked for as `capture` does."""
        return [
            (tensor, grid)
            for tensor, _ in slots(output)
            if tensor.is_floating_point()
            and (grid := self._grid(tensor)) is not None
            and not is_attention(tensor)
        ]

    def _grid(self, tensor: Tensor) -> Grid | None:
        return grid_of(tuple(tensor.shape), self.images, self.kinds.of(tensor))

    def _name(self, name: str, run: int, kind: str, inside: bool, passed_on: bool) -> None:
        """One more name for the last row.

        `passed_on`: the module handed on what it was given. If no module had returned that, the one
        around it made it.
        """
        row = self.rows[-1]
        row.names.append(name)
        row.runs.append(run)
        row.inside = inside
        row.kind = kind if self._last_is_input else row.kind
        self._last_is_input = self._last_is_input and passed_on

    def _write(
        self, name: str, run: int, kind: str, tensor: Tensor, grid: Grid, inside: bool
    ) -> None:
        """A new row."""
        self._last = (weakref.ref(tensor), _version(tensor))
        stride = tuple(i / s for i, s in zip(self.images[2:], grid.size, strict=True))
        row = Candidate([name], kind, tuple(tensor.shape), grid, stride, inside=inside)
        row.runs, row.level = [run], self._pyramid
        row.mean = grid.read(tensor).flatten(2).float().mean(2)
        first = tensor[0] if grid.kind == "tokens" else grid.read(tensor)[0].flatten(1).T
        row.sketch = _sketch(first)
        self.rows.append(row)

    def _is_last(self, tensor: Tensor) -> bool:
        if self._last is None:
            return False
        last, version = self._last
        return last() is tensor and version == _version(tensor)


def _version(tensor: Tensor) -> int:
    """How often it was written to; a model's own inference mode does not count that."""
    return 0 if tensor.is_inference() else tensor._version


def _sketch(positions: Tensor) -> Tensor:
    """`[n, c]` as `[n, 4]`: weighted sums over the channels, in which hardly a change can hide."""
    channels = torch.arange(
        1.0, positions.shape[1] + 1, dtype=torch.float32, device=positions.device
    )
    weights = torch.cos(torch.outer(channels, channels.new_tensor([0.7, 1.3, 2.1, 2.9])))
    return positions.float() @ weights


def _lies_inside(name: str, model: nn.Module) -> bool:
    module, parts = model, name.split(".")
    for part in parts[:-1]:
        module = module.get_submodule(part)
        if _INSIDE.search(type(module).__name__):
            return True
    return False
