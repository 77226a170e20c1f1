"""Run again only what lies behind a layer, on any model, without rewriting it.

A model is a program, and programs are not cut in two. But what a module returned before the layer
spoke it need not compute again. So the model runs once and is listened to; when it runs again,
every module that had finished before the layer returns at once what it returned then, for as many
images as are asked for now, and the layer returns the new activations. What stands between modules
(a sum, a class token put in front) runs as it is, on what was remembered; so a connection around
the layer finds its other end.

Nothing is believed: the way round is compared with the whole way once, and where the two disagree,
or the way round cannot be gone, the whole model runs each time.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_unflatten

from sightline.errors import SurgeryError
from sightline.surgery.harness import guard
from sightline.surgery.harness.feature_map import find_map
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Reader, Shape
from sightline.surgery.harness.model_io import call_model
from sightline.surgery.harness.resolve import Where, resolve
from sightline.surgery.rerun.recorded import ReadTracker, RecordedOutput, ReplayMismatch, compared
from sightline.surgery.rerun.replay import replaced, times
from sightline.types import Activations

Forward = Callable[..., Any]


@contextmanager
def replay_from_layer(
    model: nn.Module,
    inputs: Any,
    layer: Where,
    *,
    call: int = -1,
    grid: Shape | Reader | None = None,
) -> Iterator["PartialReplay"]:
    """For many replays from one layer: `again(activations)` gives the outputs the model would give
    with these.

    The activations are `[m * b, c, *s]`: m versions of all b images, one version after another;
    they are `again`'s own, and may be written over. At most `again.most` versions at a time. `call`
    picks the run of a layer that runs several times, the last by default. The model is as it was
    whenever `again` has returned, and bit-equal at the end.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> with replay_from_layer(net, torch.rand(1, 3, 8, 8), "1") as again:
    ...     again(torch.stack([torch.zeros(4, 6, 6), torch.ones(4, 6, 6)])).tolist(), again.whole
    ([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]], False)
    """
    given = Given.of(model, inputs)
    with guard.untouched(given.model), torch.no_grad():
        yield PartialReplay(given, layer, call, grid)


class PartialReplay:
    """A model that was listened to once, up to a layer.

    `whole` tells that it has to run as a whole each time.
    """

    def __init__(self, given: Given, layer: Where, call: int, grid: Shape | Reader | None) -> None:
        self.name, self.module = resolve(given.model, layer)
        self._inputs, self._grid, self._thread = given, grid, threading.get_ident()
        self.images, *self._rest = given.frame.images
        self._given = RecordedOutput.of((given.args, given.kwargs))
        self._watch: ReadTracker | None = None
        self._arrived = False
        self._call = call if call >= 0 else self._count() - 1
        self._calls: list[tuple[nn.Module, RecordedOutput]] = []
        self._copied, self.whole = False, False
        self._calls, _ = self._listened(1, None)
        try:
            self._check(*self._listened(2, self._probes()))
        except Exception:  # whatever goes wrong on the way round: there is the other way
            self.whole = True
            self._calls.clear()

    @property
    def most(self) -> int:
        """How many versions `again` takes at once: any number, or one where the whole model has to
        run.
        """
        return 1 if self.whole else 1 << 30

    def __call__(self, activations: Activations) -> Any:
        """The outputs with these activations `[m * b, c, *s]` in the layer's place."""
        m = len(activations) // self.images
        if self.whole:
            return self._listened(1, activations, [self.module])[1]
        return self._round(m, activations)

    def _round(self, m: int, activations: Activations) -> Any:
        """The way round."""
        at = 0

        def instead(module: nn.Module, forward: Forward) -> Forward:
            def told(*args: Any, **kwargs: Any) -> Any:
                nonlocal at
                if self._arrived or self._elsewhere() or self._calls[at][0] is not module:
                    return forward(*args, **kwargs)
                at += 1
                self._arrived = at == len(self._calls)
                return self._handed(self._calls[at - 1][1], m)

            return told

        args, kwargs = self._handed(self._given, m)
        return self._ran(
            m, activations, instead, [module for module, _ in self._calls], (args, kwargs)
        )

    def _handed(self, told: RecordedOutput, m: int) -> Any:
        if self._watch is None:
            return told.times(m, self._copied)
        with self._watch.looking_away():
            value = told.times(m, self._copied)
            self._watch.follow(told, value)
        return value

    def _listened(
        self, m: int, activations: Activations | None, modules: Iterable[nn.Module] | None = None
    ) -> tuple[list[tuple[nn.Module, RecordedOutput]], Any]:
        """The whole way: what every outermost module returned that finished before the layer, and
        the outputs.
        """
        calls: list[tuple[nn.Module, RecordedOutput]] = []
        runs = 0

        def instead(module: nn.Module, forward: Forward) -> Forward:
            def heard(*args: Any, **kwargs: Any) -> Any:
                nonlocal runs
                if self._arrived or self._elsewhere():
                    return forward(*args, **kwargs)
                index, runs = runs, runs + (module is self.module)
                start = len(calls)
                output = forward(*args, **kwargs)
                if not self._arrived:  # else the layer lies inside
                    calls[start:] = [(module, RecordedOutput.of(output))]
                    self._arrived = module is self.module and index == self._call
                return output

            return heard

        args = tuple(times(value, self.images, m) for value in self._inputs.args)
        kwargs = {word: times(value, self.images, m) for word, value in self._inputs.kwargs.items()}
        outputs = self._ran(
            m, activations, instead, modules or self._inputs.model.modules(), (args, kwargs)
        )
        return calls, outputs

    def _ran(
        self,
        m: int,
        activations: Activations | None,
        instead: Callable[[nn.Module, Forward], Forward],
        modules: Iterable[nn.Module],
        given: tuple[tuple[Any, ...], dict[str, Any]],
    ) -> Any:
        """One run with other forwards; the layer returns the activations once `_arrived` says that
        it is the one.
        """
        self._arrived, swapped = False, activations is None

        def swap(_: nn.Module, __: Any, output: Any) -> Any:
            nonlocal swapped
            if swapped or not self._arrived or self._elsewhere() or activations is None:
                return None
            swapped = True
            return replaced(
                output, activations, (m * self.images, *self._rest), self.name, self._grid, own=True
            )

        handle = self.module.register_forward_hook(swap)
        try:
            with _instead(modules, instead):
                outputs = call_model(self._inputs.model, *given)
        finally:
            handle.remove()
        if not (swapped and self._arrived):
            raise SurgeryError(
                f"Expected layer {self.name!r} to run at least {self._call + 1} times on these"
                " inputs; it did not. Name a layer that does: sightline.layers(model, images)"
                " lists them."
            )
        return outputs

    def _probes(self) -> Activations:
        """The layer's own activations, and half of them."""
        told = self._calls[-1][1]
        output = tree_unflatten(told.parts, told.form)
        tensor, found, _ = find_map(output, (self.images, *self._rest), self.name, self._grid)
        own = found.read(tensor)
        return torch.cat([own, own / 2])

    def _check(self, calls: list[tuple[nn.Module, RecordedOutput]], truth: Any) -> None:
        """Whether the way round says what the whole way says, of the layer's own activations and of
        half of them.
        """
        if [module for module, _ in calls] != [module for module, _ in self._calls]:
            raise ReplayMismatch
        for (_, one), (_, two) in zip(self._calls, calls, strict=True):
            one.compare(two)
        self._given.axes = [
            0 if isinstance(part, Tensor) and part.ndim and len(part) == self.images else None
            for part in self._given.parts
        ]
        for self._copied in (False, True):
            try:
                return self._agree(truth)
            except Exception:
                if self._copied:
                    raise

    def _agree(self, truth: Any) -> None:
        """Once to see which numbers matter, once more without the others, as it will be done from
        now on.

        Three versions, where the whole way went with two: what the model itself remembers of that
        run will not fit.
        """
        everything = [self._given, *(told for _, told in self._calls)]
        for told in everything:
            told.felt = [True] * len(told.parts)
        tensors = [part for told in everything for part in told.parts if isinstance(part, Tensor)]
        versions = [tensor._version for tensor in tensors]
        own, half = self._probes().chunk(2)
        for watch in (ReadTracker(), None):
            self._watch = watch
            try:
                with watch or nullcontext():
                    outputs = self._round(3, torch.cat([own, half, half]))
            finally:
                self._watch = None
            if watch is not None:
                for told in everything:
                    told.felt = [id(part) in watch.seen for part in told.parts]
            if [tensor._version for tensor in tensors] != versions:
                raise ReplayMismatch  # the model writes over what was remembered: hand out copies
            compared(outputs, truth, self.images)

    def _count(self) -> int:
        """How often the layer runs."""
        runs = 0

        def ran(*_: Any) -> None:
            nonlocal runs
            runs += not self._elsewhere()

        handle = self.module.register_forward_hook(ran)
        try:
            self._inputs.run()
        finally:
            handle.remove()
        return max(runs, 1)

    def _elsewhere(self) -> bool:
        return threading.get_ident() != self._thread  # somebody else's forward on the same model


@contextmanager
def _instead(
    modules: Iterable[nn.Module], other: Callable[[nn.Module, Forward], Forward]
) -> Iterator[None]:
    """Each module with another `forward` of its own, for the time of the block."""
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
            own.update(forward=forward[0]) if forward else None
