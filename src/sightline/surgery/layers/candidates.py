"""The layers of a model that have a spatial grid, in the order of running."""

import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import grid_of, is_attention, slots
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, Shape
from sightline.surgery.harness.hooks import hooked

_INSIDE = re.compile(r"attention|attn|mlp|feed_?forward|ffn", re.IGNORECASE)
_PASSES_ON = re.compile(
    r"Pool(?!Former)|Dropout|DropPath|Identity|Flatten|StochasticDepth|Upsample|Softmax"
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
    """A few numbers for each place (or token) of the first image, to tell where a change in the
    picture is felt.
    """
    inside: bool = False
    """Whether it lies inside an attention or an MLP, and so is no stage of the network."""
    level: bool = False
    """Whether maps of several sizes had been returned together before: then it may be one level of
    a pyramid.
    """

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
    """Run the model once, without a graph: its layers with a grid, in the order of running, and its
    outputs.
    """
    model, watch = given.model, _Watch(given.frame.images)
    hooks = ((part, watch.hook(name, model)) for name, part in model.named_modules() if name)
    with guard.untouched(model), torch.no_grad(), hooked(hooks):
        outputs = given.run()
    return watch.found, outputs


class _Watch:
    """Writes down every feature map that a module returns; modules that return the same tensor
    share a row.
    """

    def __init__(self, images: Shape) -> None:
        self.images = images
        self.found: list[Candidate] = []
        self._row: dict[str, Candidate] = {}
        self.pyramid = False
        self._gridless: set[str] = set()
        self._last: tuple[weakref.ref[Tensor], int] | None = None
        self._unmade = False

    def hook(self, name: str, model: nn.Module) -> Callable[..., None]:
        inside = _inside(name, model)

        def note(module: nn.Module, args: Any, output: Any) -> None:
            found = [
                (tensor, grid)
                for tensor, _ in slots(output)  # as `capture` looks for it
                if tensor.is_floating_point()
                and (grid := grid_of(tuple(tensor.shape), self.images)) is not None
                if not is_attention(tensor)
            ]
            levels = {grid.size for _, grid in found if grid.kind != "tokens" and grid.certain}
            self.pyramid = self.pyramid or len(levels) > 1
            handed_on = len(found) > 1 and any(
                found[0][0] is given for given in args
            )  # one branch of several
            if found and len(levels) <= 1 and not handed_on:
                unmade = any(found[0][0] is given for given in args) and _PASSES_ON.search(
                    type(module).__name__
                )
                self._write(name, type(module).__name__, *found[0], inside, bool(unmade))
                return
            self._forget(name)
            self._gridless.add(name)  # `capture` opens a layer at every run

        return note

    def _write(
        self, name: str, kind: str, tensor: Tensor, grid: Grid, inside: bool, unmade: bool
    ) -> None:
        """`unmade`: it handed on what it was given. If no module had returned that, the one around
        it made it.
        """
        if name in self._gridless:
            return
        same = (
            self._last is not None
            and self._last[0]() is tensor
            and self._last[1] == tensor._version
        )
        if same:
            row = self.found[-1]
            if row.names[0].startswith(
                f"{name}."
            ):  # a container of the layer, not a dropout behind it
                row.names.append(name)
                row.inside = inside
                row.kind = kind if self._unmade else row.kind
                self._unmade = self._unmade and unmade
                self._row[name] = row
            return
        self._unmade = unmade
        self._last = (weakref.ref(tensor), tensor._version)
        stride = tuple(i / s for i, s in zip(self.images[2:], grid.size, strict=True))
        row = Candidate(
            [name], kind, tuple(tensor.shape), grid, stride, inside=inside, level=self.pyramid
        )
        row.mean = grid.read(tensor).flatten(2).float().mean(2)
        row.sketch = _sketched(
            tensor[0] if grid.kind == "tokens" else grid.read(tensor)[0].flatten(1).T
        )
        row.calls += self._forget(name)
        self._row[name] = row
        self.found.append(row)

    def _forget(self, name: str) -> int:
        """The module ran before, and its last run counts: how often it did."""
        before = self._row.pop(name, None)
        if before is None:
            return 0
        before.names.remove(name)
        self.found = [row for row in self.found if row.names]
        return before.calls


def _sketched(places: Tensor) -> Tensor:
    """`[n, c]` as `[n, 4]`: weighted sums over the channels, in which hardly a change can hide."""
    channels = torch.arange(1.0, places.shape[1] + 1, device=places.device)
    weights = torch.cos(torch.outer(channels, channels.new_tensor([0.7, 1.3, 2.1, 2.9])))
    return places.float() @ weights


def _inside(name: str, model: nn.Module) -> bool:
    module, parts = model, name.split(".")
    for part in parts[:-1]:
        module = module.get_submodule(part)
        if _INSIDE.search(type(module).__name__):
            return True
    return False
