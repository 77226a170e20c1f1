"""Run again only what lies behind a layer, on any model, without rewriting it.

A model is a program, and programs are not cut in two. But what a module returned before the layer
spoke it need not compute again. So the model runs once and is recorded; when it runs again, every
module that had finished before the layer returns at once what it returned then, for as many images
as are asked for now, and the layer returns the new activations. What stands between modules (a sum,
a class token put in front) runs as it is, on what was recorded; so a connection around the layer
finds its other end.

Nothing is believed: what is played from the recording is compared with a full run once. Where the
two disagree, or it cannot be played, the whole model runs each time, and the log says why.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.fallback import first_line, reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Stated
from sightline.surgery.harness.resolve import Where
from sightline.surgery.rerun.recorded import (
    ReadTracker,
    RecordedOutput,
    ReplayMismatch,
    compare_outputs,
)
from sightline.surgery.rerun.recording import FullRun, LayerCall, Recording, record
from sightline.types import Activations

logger = logging.getLogger(__name__)


@contextmanager
def replay_from_layer(
    model: nn.Module,
    inputs: Any,
    layer: Where,
    *,
    call: int = -1,
    grid: Stated = None,
) -> Iterator["PartialReplay"]:
    """For many replays from one layer: `again(activations)` gives the model's outputs with these.

    The activations are `[m * b, c, *s]`: m versions of all b images, one version after another;
    they are `again`'s own, and may be written over. At most `again.most` versions at a time. `call`
    picks the run of a layer that runs several times, the last by default. The model is as it was
    whenever `again` has returned, and bit-equal at the end.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> with replay_from_layer(net, torch.rand(1, 3, 8, 8), "1") as again:
    ...     outputs = again(torch.stack([torch.zeros(4, 6, 6), torch.ones(4, 6, 6)]))
    ...     outputs.tolist(), again.full_replay
    ([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]], False)
    """
    given = Given.of(model, inputs)
    with guard.untouched(given.model), torch.no_grad():
        yield PartialReplay(LayerCall.of(given, layer, call, grid))


class PartialReplay:
    """A model that runs from a layer on; `full_replay` tells that it runs as a whole each time."""

    def __init__(self, layer: "LayerCall") -> None:
        self._layer = layer
        self._recording = record(layer)
        why = disagreement(self._recording)
        self.full_replay = why is not None
        if why is not None:
            logger.debug("replaying the whole model: %s", why)
            self._recording.calls.clear()  # nobody plays them, and they take memory

    @property
    def most(self) -> int:
        """How many versions at once: any number, or one where the whole model has to run."""
        return 1 if self.full_replay else 1 << 30

    def __call__(self, activations: Activations) -> Any:
        """The outputs with these activations `[m * b, c, *s]` in the layer's place."""
        if self.full_replay:
            return FullRun(self._layer, 1, activations).on_copies([self._layer.module])
        return self._recording.play(len(activations) // self._layer.images, activations)


def disagreement(recording: Recording) -> str | None:
    """Why playing this does not give what a full run gives; None where it does.

    On the way the recording learns which of its parts grow with the batch, which are read, and
    whether copies are needed.
    """
    layer = recording.layer
    try:
        full = FullRun(layer, 2, recording.own_and_half())
        with _foreseen("the model does not run on twice as many images"):
            truth = full.on_copies(layer.given.model.modules())
        _learn_axes(recording, full.calls)
        try:
            _agree(recording, truth)
        except ReplayMismatch as mismatch:
            logger.debug("replaying from copies: %s", mismatch)
            recording.copied = True
            _agree(recording, truth)
    except Exception as error:
        return reason(error)
    return None


def _learn_axes(recording: Recording, twice: list[tuple[nn.Module, RecordedOutput]]) -> None:
    """Along which axes the parts grew, when there were twice as many images."""
    if [module for module, _ in twice] != [module for module, _ in recording.calls]:
        raise ReplayMismatch("twice as many images go through other modules")
    for (_, one), (_, two) in zip(recording.calls, twice, strict=True):
        one.learn_axes(two)
    recording.inputs.axes = [
        0
        if isinstance(part, Tensor) and part.ndim and len(part) == recording.layer.images
        else None
        for part in recording.inputs.parts
    ]


def _agree(recording: Recording, truth: Any) -> None:
    """Play it twice: to see which parts are read, and without the others, as from now on.

    Raises `ReplayMismatch` where the outputs are not the `truth` of the full run. Three versions,
    where that had two: what the model itself remembers of the full run will not fit.
    """
    for output in recording.outputs:
        output.read = [True] * len(output.parts)
    tensors = [part for output in recording.outputs for part in output.tensors]
    versions = [tensor._version for tensor in tensors]
    own, half = recording.own_and_half().chunk(2)
    for tracker in (ReadTracker(), None):
        with _foreseen("the model does not run on what was recorded"):
            outputs = recording.play(3, torch.cat([own, half, half]), tracker)
        if tracker is not None:
            for output in recording.outputs:
                output.read = [id(part) in tracker.seen for part in output.parts]
        if [tensor._version for tensor in tensors] != versions:
            raise ReplayMismatch("the model writes over what was recorded")
        compare_outputs(outputs, truth, recording.layer.images)


@contextmanager
def _foreseen(what: str) -> Iterator[None]:
    """Whatever a model raises here says that it cannot be replayed: it is somebody else's program.

    What is done here while it runs, handing out and exchanging, has tests of its own; and where it
    fails no network is replayed in part any more, which the tests would see.
    """
    try:
        yield
    except Exception as error:
        raise ReplayMismatch(f"{what}: {type(error).__name__}: {first_line(error)}") from error
