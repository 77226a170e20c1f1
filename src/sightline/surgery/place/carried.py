"""How much of what reaches the score passes through a layer: all of it, or one branch of several.

A layer is a cut of the network only if every way from the picture to the score leads through it. Of
two branches that are joined later, of the members of an ensemble, of the towers of a siamese
network, each carries a part, and a map of one of them is a part of the explanation.
"""

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery.backward.batch_norm import mended
from sightline.surgery.backward.detached_weights import DetachWeights
from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import find_map_at
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.resolve import resolve
from sightline.surgery.place.look_back import noise
from sightline.surgery.place.memory import remembered
from sightline.surgery.place.opened import LayerRun
from sightline.surgery.rerun.replay import with_pictures
from sightline.tensors import allow_grad

_NOTHING = 1e-5
"""A derivative that is a smaller share of another one is rounding."""


def carried(
    given: Given, run: LayerRun, score: Callable[[Any], Tensor], about: Hashable = None
) -> float | None:
    """The share of what comes back from the score to the picture that comes through the layer.

    Remembered for a model, a shape of inputs and what the score is `about`.

    1 where every way leads through it. What goes around a grid of tokens by a class token alone
    belongs to no place, and does not count. None where the score cannot be asked of noise, or
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
    >>> carried(given, LayerRun("stem"), lambda out: out.sum(1))
    1.0
    >>> 0 < carried(given, LayerRun("left"), lambda out: out.sum(1)) < 1
    True
    """
    share: float | None = remembered(
        given, ("carried", run.key, about), lambda: _carried(given, run, score)
    )
    return share


def _carried(given: Given, run: LayerRun, score: Callable[[Any], Tensor]) -> float | None:
    watch = _Watch(given, run)
    with allow_grad(), torch.enable_grad(), guard.untouched(given.model):
        leaf = noise(given, 0).requires_grad_()
        try:
            with DetachWeights(), hooked([(watch.module, watch)]):
                score_of_noise = score(watch.outputs(leaf)).sum()
        except Exception:  # whatever a target or a model of somebody's own may raise on noise
            return None
        if watch.map is None or watch.map.grad_fn is None or score_of_noise.grad_fn is None:
            return None
        if not _reaches(score_of_noise, leaf, {watch.map.grad_fn}):
            return 1.0
        with mended(leaf):
            if watch.only_other_tokens_go_around(score_of_noise, leaf):
                return 1.0
            return _share(score_of_noise, watch.map, leaf)


class _Watch:
    """The forward hook of the layer: what it was given and what it returned, both in the graph."""

    def __init__(self, given: Given, run: LayerRun) -> None:
        self.given, self.run = given, run
        self.name, self.module = resolve(given.model, run.name)
        self.map: Tensor | None = None
        self.grid: Grid | None = None
        self.entered: Tensor | None = None
        self._calls = 0

    def outputs(self, pictures: Tensor) -> Any:
        given = self.given
        self._images = (len(pictures), *given.frame.images[1:])
        own = given.kwargs if given.kwargs and not given.args else given.args
        inputs = with_pictures(own, pictures.clone(), given.channel_axis)
        return Given.of_supported(given.model, inputs).run()

    def __call__(self, _: nn.Module, args: Any, output: Any) -> Any:
        index, self._calls = self._calls, self._calls + 1
        if self.run.call >= 0 and index != self.run.call:
            return None
        found = find_map_at(output, self._images, self.name, self.run.grid, self.run.call)
        if isinstance(found, LayerError):
            return None
        self.map, self.grid, put = found
        self.entered = args[0] if args and isinstance(args[0], Tensor) else None
        # A clone goes on: an in-place layer behind would put itself in the layer's place.
        return put(self.map.clone())

    def only_other_tokens_go_around(self, score: Tensor, leaf: Tensor) -> bool:
        """Whether around the layer nothing goes but tokens that are no places.

        As around the norm before a vision transformer's last attention: the class token goes on.
        """
        stream = self.entered
        assert self.map is not None
        assert self.grid is not None
        if (
            self.grid.kind != "tokens"
            or stream is None
            or stream.shape[:2] != self.map.shape[:2]
            or stream.grad_fn is None
            or _reaches(score, leaf, {self.map.grad_fn, stream.grad_fn})
        ):
            return False
        whole, at_layer = torch.autograd.grad(score, [stream, self.map], retain_graph=True)
        (through,) = torch.autograd.grad(self.map, stream, at_layer, retain_graph=True)
        around = self.grid.read(whole - through)
        return bool(around.abs().max() <= _NOTHING * whole.abs().max())


def _reaches(score: Tensor, leaf: Tensor, without: set[Any]) -> bool:
    """Whether a way leads from the score to the leaf that goes through none of these nodes."""
    seen, stack = set(without), [score.grad_fn]
    while stack:
        node: Any = stack.pop()
        if node is None or node in seen:
            continue
        if getattr(node, "variable", None) is leaf:
            return True
        seen.add(node)
        stack.extend(child for child, _ in node.next_functions)
    return False


def _share(score: Tensor, layer: Tensor, leaf: Tensor) -> float | None:
    whole, at_layer = torch.autograd.grad(
        score, [leaf, layer], retain_graph=True, allow_unused=True
    )
    if at_layer is None or whole is None:
        return None
    (through,) = torch.autograd.grad(layer, leaf, at_layer, retain_graph=True)
    around = (whole - through).double().norm()
    if not bool(around > _NOTHING * whole.double().norm()):
        return 1.0
    own = through.double().norm() ** 2
    return float(own / (own + around**2))
