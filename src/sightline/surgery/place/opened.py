"""A layer in the graph that begins at the picture: what its places are made from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import LayerError
from sightline.surgery.backward.detached_weights import DetachWeights
from sightline.surgery.harness import guard
from sightline.surgery.harness.attributes import Left
from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.checkpoints import unless_checkpointed
from sightline.surgery.harness.fallback import Foreseen, first_line
from sightline.surgery.harness.feature_map import find_map_at
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import call_model
from sightline.surgery.harness.opened_layer import LayerRun
from sightline.surgery.harness.resolve import resolve
from sightline.surgery.memory.sizes import note
from sightline.surgery.rerun.replay import with_pictures


def leads(start: Tensor, end: Tensor, without: Iterable[Any] = ()) -> bool:
    """Whether a way of the graph leads back from one tensor to another, through none of some nodes.

    >>> x = torch.ones(2, requires_grad=True)
    >>> y = x.exp()
    >>> leads(y.sum(), x), leads(y.sum(), y), leads(y.sum(), x, {y.grad_fn})
    (True, True, False)
    """
    seen, stack = set(without), [start.grad_fn]
    while stack:
        node: Any = stack.pop()
        if node is None or node in seen:
            continue
        if getattr(node, "variable", None) is end or node is end.grad_fn:
            return True
        seen.add(node)
        stack.extend(child for child, _ in node.next_functions)
    return start is end


class NotRun(Foreseen):
    """The model cannot be run so: on noise, on copies, with a graph from the picture on."""


@dataclass
class Opened:
    """One run of the model as far as the layer.

    `map` is what the layer returned, `[m b, ...]` in its own layout, `grid` how it is read, and
    `leaf` the picture, `[m b, c, *s]`. `recording` tells that autograd was on where the layer ran,
    `left` is what the run left in the model's attributes.
    """

    map: Tensor
    grid: Grid
    leaf: Tensor
    recording: bool
    left: Sequence[Left] = ()

    @property
    def on_the_way(self) -> bool:
        """Whether a graph leads from the layer to the picture; one to weights alone is none."""
        return self.recording and self.map.requires_grad and leads(self.map, self.leaf)


def opened(given: Given, run: LayerRun, pictures: Tensor, *, graph: bool = True) -> Opened | None:
    """Run the model on pictures `[m b, c, *s]` in the place of its own; None if the layer did not.

    What else was handed in goes along, m times over.
    """
    name, module = resolve(given.model, run.name)
    leaf = pictures.detach().clone().requires_grad_(graph)
    images = (len(leaf), *given.frame.images[1:])
    stated = kind_of(module) if run.grid is None else run.grid
    kept: list[tuple[Tensor, Grid, bool]] = []
    unreadable: list[LayerError] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        if run.call < 0 or calls == run.call:
            found = find_map_at(output, images, name, stated, run.call)
            if isinstance(found, LayerError):
                unreadable[:] = [found]
                return
            tensor, grid, _put = found
            recording = torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            kept[:] = [(tensor, grid, recording)]

    calls = -1

    def call() -> None:
        nonlocal calls
        kept[:], calls = [], -1
        inputs = with_pictures(_inputs(given), leaf.clone(), given.channel_axis)
        here = Given.of_supported(given.model, inputs)
        call_model(given.model, here.args, here.kwargs)

    def call_detached() -> None:
        with DetachWeights():
            call()

    def count(_: nn.Module, __: Any) -> None:
        nonlocal calls
        calls += 1

    with (
        guard.untouched(given.model) as left,
        torch.set_grad_enabled(graph),
        hooked([(module, count)], before=True),
        hooked([(module, keep)]),
    ):
        try:
            unless_checkpointed(call_detached, call)
            if unreadable and not kept:
                raise unreadable[0]
        except Exception as error:  # whatever a model of somebody's own may raise
            raise NotRun(f"{type(error).__name__}: {first_line(error)}") from error
    if not kept:
        return None
    note(given, run, kept[0][1], tuple(kept[0][1].read(kept[0][0].detach()).shape[2:]))
    return Opened(kept[0][0], kept[0][1], leaf, kept[0][2], left)


def runs_of(given: Given, name: str) -> int:
    """How often a layer runs when the model does, on the pictures themselves."""
    _, module = resolve(given.model, name)
    runs: list[nn.Module] = []
    with (
        guard.untouched(given.model),
        torch.no_grad(),
        hooked([(module, lambda one, _: runs.append(one))], before=True),
    ):
        given.run()
    return len(runs)


def grid_of_run(given: Given, run: LayerRun) -> Grid:
    """How a layer's output is read: its grid as it was inferred, or stated.

    Raises `NotRun` where the layer does not run on the pictures.
    """
    here = opened(given, run, given.picture[:1] if given.batch_only else given.picture, graph=False)
    if here is None:
        raise NotRun(f"layer {run.name!r} did not run")
    return here.grid


def _inputs(given: Given) -> Any:
    return given.kwargs if given.kwargs and not given.args else given.args
