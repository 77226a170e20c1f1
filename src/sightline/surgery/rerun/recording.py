"""A run of a model written down up to a layer, and played from there with other activations."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from sightline.errors import SurgeryError
from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.feature_map import find_map
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Stated
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import call_model
from sightline.surgery.harness.resolve import Where, resolve
from sightline.surgery.rerun.recorded import ReadTracker, RecordedOutput
from sightline.surgery.rerun.replay import repeat_rows, replace_map
from sightline.types import Activations

Forward = Callable[..., Any]


@dataclass(frozen=True)
class LayerCall:
    """One run of one layer of a model: where the activations are exchanged."""

    given: Given
    name: str
    module: nn.Module
    call: int
    grid: Stated

    @staticmethod
    def of(given: Given, layer: Where, call: int, grid: Stated) -> "LayerCall":
        """The layer's run number `call`, counted from 0; -1 stands for its last one."""
        name, module = resolve(given.model, layer)
        grid = kind_of(module) if grid is None else grid
        call = call if call >= 0 else _runs(given, module) - 1
        return LayerCall(given, name, module, call, grid)

    @property
    def images(self) -> int:
        """How many images were handed in."""
        return self.given.frame.images[0]

    def activations(self, output: Any) -> Activations:
        """The map `[b, c, *s]` in what the layer returned."""
        tensor, found, _ = find_map(output, self.given.frame.images, self.name, self.grid)
        return found.read(tensor)

    def replaced(self, output: Any, activations: Activations, m: int) -> Any:
        """What the layer returned for m times as many images, with other activations."""
        images = (m * self.images, *self.given.frame.images[1:])
        return replace_map(output, activations, images, self.name, self.grid, own=True)


def record(layer: LayerCall) -> "Recording":
    """Run the model once and keep what every outermost module returned up to the layer."""
    inputs = RecordedOutput.of((layer.given.args, layer.given.kwargs))
    run = FullRun(layer, 1, None)
    run.on_copies(layer.given.model.modules())
    return Recording(layer, inputs, run.calls)


@dataclass
class Recording:
    """What modules returned, in their order, the layer's own output last.

    `copied` tells to hand out copies, since the model writes over what it is given.
    """

    layer: LayerCall
    inputs: RecordedOutput
    calls: list[tuple[nn.Module, RecordedOutput]]
    copied: bool = False

    def play(self, m: int, activations: Activations, tracker: ReadTracker | None = None) -> Any:
        """The outputs for m versions of the images; the tracker sees what the model reads."""
        with tracker or nullcontext():
            args, kwargs = self.handed_out(self.inputs, m, tracker)
            run = _PartialRun(self, m, activations, tracker)
            return run.outputs([module for module, _ in self.calls], args, kwargs)

    def handed_out(self, output: RecordedOutput, m: int, tracker: ReadTracker | None) -> Any:
        """What was recorded, for m times as many images."""
        if tracker is None:
            return output.times(m, self.copied)
        with tracker.paused():
            value = output.times(m, self.copied)
            tracker.follow(output, value)
        return value

    @property
    def outputs(self) -> list[RecordedOutput]:
        """Everything that is handed out, the inputs first."""
        return [self.inputs, *(output for _, output in self.calls)]

    def own_and_half(self) -> Activations:
        """The layer's own activations, and half of them: `[2 b, c, *s]`."""
        own = self.layer.activations(self.calls[-1][1].value())
        return torch.cat([own, own / 2])


class _Run:
    """One run with other forwards, and other activations in the layer's place.

    `arrived` tells that the layer has finished the run that counts. Without activations the layer
    returns its own.
    """

    def __init__(self, layer: LayerCall, m: int, activations: Activations | None) -> None:
        self.layer, self.m, self.activations = layer, m, activations
        self.arrived, self._exchanged = False, activations is None
        self._thread = threading.get_ident()

    def outputs(self, modules: Iterable[nn.Module], args: Any, kwargs: Any) -> Any:
        """The model's outputs; each of the modules computes by `forward`."""
        layer = self.layer
        with (
            hooked([(layer.module, self._exchange)]),
            _forwards(modules, self._other_forward),
        ):
            outputs = call_model(layer.given.model, args, kwargs)
        if not (self._exchanged and self.arrived):
            raise SurgeryError(
                f"Expected layer {layer.name!r} to run at least {layer.call + 1} times on these"
                " inputs; it did not. Name a layer that does: sightline.layers(model, images)"
                " lists them."
            )
        return outputs

    def forward(self, module: nn.Module, own: Forward, args: Any, kwargs: Any) -> Any:
        """What a module returns before the layer has arrived; `own` is its own forward."""
        raise NotImplementedError

    def _other_forward(self, module: nn.Module, own: Forward) -> Forward:
        return partial(self._forward_unless_arrived, module, own)

    def _forward_unless_arrived(
        self, module: nn.Module, own: Forward, /, *args: Any, **kwargs: Any
    ) -> Any:
        if self.arrived or self._elsewhere():
            return own(*args, **kwargs)
        return self.forward(module, own, args, kwargs)

    def _exchange(self, _: nn.Module, __: Any, output: Any) -> Any:
        if self._exchanged or not self.arrived:
            return None
        self._exchanged = True
        assert self.activations is not None
        return self.layer.replaced(output, self.activations, self.m)

    def _elsewhere(self) -> bool:
        """Whether this is somebody else's forward on the same model, on another thread."""
        return threading.get_ident() != self._thread


class FullRun(_Run):
    """Everything computes, on m copies of the images; `calls` is what was returned up to the layer.

    Only by outermost modules: what ran inside of one that has finished is not needed any more.
    """

    def __init__(self, layer: LayerCall, m: int, activations: Activations | None) -> None:
        super().__init__(layer, m, activations)
        self.calls: list[tuple[nn.Module, RecordedOutput]] = []
        self._runs = 0

    def on_copies(self, modules: Iterable[nn.Module]) -> Any:
        """The model's outputs on its inputs m times over."""
        given, images = self.layer.given, self.layer.images
        args = tuple(repeat_rows(value, images, self.m) for value in given.args)
        kwargs = {name: repeat_rows(value, images, self.m) for name, value in given.kwargs.items()}
        return self.outputs(modules, args, kwargs)

    def forward(self, module: nn.Module, own: Forward, args: Any, kwargs: Any) -> Any:
        """What the module computes, written down if it is outermost and before the layer."""
        is_layer = module is self.layer.module
        index, self._runs = self._runs, self._runs + is_layer
        start = len(self.calls)
        output = own(*args, **kwargs)
        if not self.arrived:  # else the layer lies inside of this one
            self.calls[start:] = [(module, RecordedOutput.of(output))]
            self.arrived = is_layer and index == self.layer.call
        return output


class _PartialRun(_Run):
    """Modules return what was recorded, in the order of the recording, up to the layer."""

    def __init__(
        self, recording: Recording, m: int, activations: Activations, tracker: ReadTracker | None
    ) -> None:
        super().__init__(recording.layer, m, activations)
        self._recording, self._tracker, self._next = recording, tracker, 0

    def forward(self, module: nn.Module, own: Forward, args: Any, kwargs: Any) -> Any:
        calls = self._recording.calls
        expected, output = calls[self._next]
        if module is not expected:  # it holds what comes next, or is called between
            return own(*args, **kwargs)
        self._next += 1
        self.arrived = self._next == len(calls)
        return self._recording.handed_out(output, self.m, self._tracker)


def _runs(given: Given, module: nn.Module) -> int:
    """How often a layer runs, at least once: where it does not, the recording will say so."""
    runs = 0

    def count(*_: Any) -> None:
        nonlocal runs
        runs += 1

    with hooked([(module, count)]):
        given.run()
    return max(runs, 1)


@contextmanager
def _forwards(
    modules: Iterable[nn.Module], other: Callable[[nn.Module, Forward], Forward]
) -> Iterator[None]:
    """Each module with another `forward`, for the time of the block.

    No hook of torch's can keep a module from computing: only its `forward` can. It is put on the
    instance, where it hides the class's and nobody else's, and what stood there comes back.
    """
    before: list[tuple[dict[str, Any], list[Any]]] = []
    try:
        for module in dict.fromkeys(modules):
            own = module.__dict__
            before.append((own, [own["forward"]] if "forward" in own else []))
            own["forward"] = other(module, module.forward)
        yield
    finally:
        for own, forward in reversed(before):
            del own["forward"]
            if forward:
                own["forward"] = forward[0]
