"""How much of what reaches the score passes through a layer: all of it, or one branch of several.

A layer is a cut of the network only if every way from the picture to the score leads through it. Of
two branches that are joined later, of the members of an ensemble, of the towers of a siamese
network, each carries a part, and a map of one of them is a part of the explanation. Together they
are a cut again.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery.backward.batch_norm import mended
from sightline.surgery.backward.detached_weights import DetachWeights
from sightline.surgery.harness import guard
from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.feature_map import find_map_at
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.harness.resolve import resolve
from sightline.surgery.memory.remembered import Lasting, remembered
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.opened import leads
from sightline.surgery.rerun.replay import with_pictures
from sightline.tensors import allow_grad

_NOTHING = 1e-5
"""A derivative that is a smaller share of another one is rounding."""

WHOLE = 0.995
"""Layers that carry as much as this of what reaches the score carry all that can be seen."""

Score = Callable[[Any], Tensor]


def carried(
    given: Given, runs: Sequence[LayerRun], score: Score, about: Hashable = None
) -> float | None:
    """The share of what comes back from the score to the picture that comes through some layers.

    Remembered for a model, a shape of inputs and what the score is `about`.

    1 where every way leads through one of them. What goes around a grid of tokens by a class token
    alone belongs to no place, and does not count. None where the score cannot be asked of noise, or
    nothing comes back.

    >>> class Two(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.stem, self.left = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
    ...
    ...     def forward(self, x):
    ...         x = self.stem(x)
    ...         return torch.cat([self.left(x), x], 1).mean((2, 3))
    >>> given = Given.of(Two(), torch.rand(1, 3, 8, 8))
    >>> carried(given, [LayerRun("stem")], lambda out: out.sum(1))
    1.0
    >>> 0 < carried(given, [LayerRun("left")], lambda out: out.sum(1)) < 1
    True
    """
    key = ("carried", *(run.key for run in runs), about)
    share: float | None = remembered(
        given, key, lambda: _carried(given, runs, score), _ALL_OF_IT, trusting=True
    )
    return share


_ALL_OF_IT = Lasting(
    plain=lambda share: share if share == 1 else None,
    back=float,
    elsewhere=lambda share, size: share if share == 1 else None,
    weights=True,
)
"""That every way leads through some layers holds for every size, and for as long as the weights do:
a branch of zeros carries nothing. A part is asked for again.
"""


def _carried(given: Given, runs: Sequence[LayerRun], score: Score) -> float | None:
    with flow(given, runs, score) as found:
        return None if found is None else found.share(found.layers)


@dataclass
class Passed:
    """One layer in a run of the model: what it was given and what it returned, in the graph.

    `number` tells which of several layers ran first.
    """

    number: int
    run: LayerRun
    map: Tensor
    grid: Grid
    entered: Tensor | None


@dataclass
class Flow:
    """A run of the model on noise, asked for its score: what comes back to the picture, and how."""

    score: Tensor
    leaf: Tensor
    layers: list[Passed]

    def share(self, layers: Sequence[Passed]) -> float | None:
        """How much of it comes through these layers; None where nothing comes back."""
        if layers and not leads(self.score, self.leaf, [one.map.grad_fn for one in layers]):
            return 1.0
        whole = self.whole()
        parts = [part for one in layers if (part := self.through(one)) is not None]
        return None if whole is None or not parts else share(whole, torch.stack(parts).sum(0))

    def whole(self) -> Tensor | None:
        """All that comes back to the picture, `[b, c, *s]`."""
        return self._back(self.score, None)

    def through(self, layer: Passed) -> Tensor | None:
        """What of it comes through a layer."""
        stream = layer.entered
        wanted = [layer.map] if stream is None else [layer.map, stream]
        found = torch.autograd.grad(self.score, wanted, retain_graph=True, allow_unused=True)
        if found[0] is None:
            return None
        if stream is not None and found[1] is not None:
            (inside,) = torch.autograd.grad(layer.map, stream, found[0], retain_graph=True)
            # Around the norm before a vision transformer's last attention the class token goes on.
            others = layer.grid.read(found[1] - inside).abs().max()
            if bool(others <= _NOTHING * found[1].abs().max()):
                return self._back(stream, found[1])
        return self._back(layer.map, found[0])

    def _back(self, node: Tensor, gradient: Tensor | None) -> Tensor | None:
        found = torch.autograd.grad(node, self.leaf, gradient, retain_graph=True, allow_unused=True)
        return found[0]


def share(whole: Tensor, through: Tensor) -> float:
    """How large a part is of the whole: by its square beside that of what is missing."""
    around = (whole - through).double().norm()
    if not bool(around > _NOTHING * whole.double().norm()):
        return 1.0
    own = through.double().norm() ** 2
    return float(own / (own + around**2))


@contextmanager
def flow(given: Given, runs: Sequence[LayerRun], score: Score) -> Iterator[Flow | None]:
    """Run the model on noise with a graph from the picture on, and look back inside.

    None where the score cannot be asked of noise, or depends on nothing. Layers that did not run,
    or have no grid, are left out; with one of a single layer there is nothing to look at.
    """
    numbers = count()
    watches = [_Watch(given, run, numbers) for run in runs]
    with allow_grad(), torch.enable_grad(), guard.untouched(given.model):
        leaf = noise(given, 0).requires_grad_()
        try:
            with DetachWeights(), hooked((watch.module, watch) for watch in watches):
                asked = score(_outputs(given, leaf)).sum()
        except Exception:  # whatever a target or a model of somebody's own may raise on noise
            yield None
            return
        layers = [watch.passed for watch in watches if watch.passed is not None]
        layers = [one for one in layers if one.map.grad_fn is not None]
        if not layers or asked.grad_fn is None:
            yield None
            return
        with mended(leaf):
            yield Flow(asked, leaf, layers)


def _outputs(given: Given, pictures: Tensor) -> Any:
    own = given.kwargs if given.kwargs and not given.args else given.args
    inputs = with_pictures(own, pictures.clone(), given.channel_axis)
    return Given.of_supported(given.model, inputs).run()


class _Watch:
    """The forward hook of a layer: what it was given and what it returned, both in the graph."""

    def __init__(self, given: Given, run: LayerRun, numbers: Iterator[int]) -> None:
        self.numbers = numbers
        self.run, self.images = run, (len(noise(given, 0)), *given.frame.images[1:])
        self.name, self.module = resolve(given.model, run.name)
        self.stated = kind_of(self.module) if run.grid is None else run.grid
        self.passed: Passed | None = None
        self._calls = 0

    def __call__(self, _: nn.Module, args: Any, output: Any) -> Any:
        index, self._calls = self._calls, self._calls + 1
        if self.run.call >= 0 and index != self.run.call:
            return None
        read = find_map_at(output, self.images, self.name, self.stated, self.run.call)
        if isinstance(read, LayerError):
            return None
        found, grid, put = read
        entered = args[0] if args and isinstance(args[0], Tensor) else None
        same = (
            entered is not None
            and grid.kind == "tokens"
            and entered.grad_fn is not None
            and entered.shape[:2] == found.shape[:2]
        )
        self.passed = Passed(next(self.numbers), self.run, found, grid, entered if same else None)
        # A clone goes on: an in-place layer behind would put itself in the layer's place.
        return put(found.clone())
