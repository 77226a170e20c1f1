"""A tail that was written down, and the ways to its diagonal derivatives; each gives three `[n, b,
c, *s]`, or None.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.surgery.derivatives import colouring as colours
from sightline.surgery.derivatives import jet_rules
from sightline.surgery.derivatives import piecewise_linear as straight
from sightline.surgery.derivatives.jets import Jet
from sightline.surgery.derivatives.tape import Step, Tape, Untaped, found_in, plainly
from sightline.surgery.layer_trace import Trace
from sightline.tensors import at_least_float32

_NUMBERS = 1 << 22
"""So many numbers of the largest tensor of a tail are in work at once, unless a chunk is stated."""
_MARKS = 1 << 28
"""So many booleans of who reaches what are held."""
_SOME = 6
"""Second and third derivatives that are made once more, by torch."""
_LONG = 60.0
"""Seconds that nobody waits without being told."""

Three = Sequence[Tensor]
"""First, second and third derivatives."""


@dataclass(frozen=True)
class DiagonalDerivatives:
    """A tape, and where on it the activations are: `index` `[c, *s]`, numbers of places in the
    layer's own output.
    """

    tape: Tape
    index: Tensor
    read: Callable[[Tensor], Tensor]
    chunk: int
    rough: bool
    """Whether what is compared with was computed in half precision."""

    @staticmethod
    def of(
        tape: Tape, trace: Trace, scores: Tensor, chunk: int | None, rough: bool
    ) -> "DiagonalDerivatives":
        """Raises `Untaped` where the tape does not say what the model said."""
        largest = tape.start.numel()

        def weighing(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            nonlocal largest
            found = step.op(*args, **kwargs)
            largest = max([largest, *(one.numel() for one in found_in(found, Tensor))])
            return found

        said = tape.play(tape.start, weighing)
        if not alike(said, scores, rough):
            raise Untaped("run again from the layer, the model says something else")
        like = torch.arange(tape.start[0].numel(), device=tape.start.device).reshape(
            1, *tape.start.shape[1:]
        )
        index = trace.cuts[0].grid.read(like)[0]
        return DiagonalDerivatives(
            tape,
            index,
            trace.cuts[0].grid.read,
            chunk or max(1, min(1024, _NUMBERS // largest)),
            rough,
        )

    def straight(self) -> Three | None:
        """Nothing bends."""
        if straight.last_bend(self.tape):
            return None
        first = self._read(straight.weights_behind(self.tape, 0, 0, self.tape.start))
        return first, torch.zeros_like(first), torch.zeros_like(first)

    def powers(self) -> Three | None:
        """One bend between two matrices."""
        found = straight.by_powers(self.tape)
        return None if found is None else tuple(self._read(one) for one in found)

    def pooled(self) -> Three | None:
        """One place stands for all."""
        if not colours.pooled(self.tape, self.index):
            return None
        found = self._pushed(self.index.flatten(1)[:, :1])
        return tuple(
            one.reshape(*one.shape[:3], *[1] * (self.index.ndim - 1)).expand(
                *one.shape[:2], *self.index.shape
            )
            for one in found
        )

    def coloured(self) -> Three | None:
        """Places whose reaches do not meet, together."""
        count, slot = colours.seam(self.tape)
        there = self._until(count, slot)
        if self.index[0].numel() * there[0].numel() > _MARKS:
            return None  # to know who reaches what would take more memory than it saves time
        touched = colours.reach(self.tape, self.index, count, slot, self.chunk).flatten(1)
        groups = colours.colours(touched)
        if len(groups) == len(touched):
            return None
        weights = straight.weights_behind(self.tape, count, slot, there).flatten(2)  # [n, b, m]
        channels, z = self.index.flatten(1).shape
        out = self.tape.start.new_zeros(3, *weights.shape[:2], channels, z + 1)
        for group in groups:
            own = colours.owners(touched, group)
            at = self.index.flatten(1)[:, group]  # [c, places of this colour]
            for start, moves in self._directions(at):
                three = vmap(partial(self._carried, slice(count), slot))(moves)
                for order, one in enumerate(three):
                    felt = (
                        one.reshape(len(moves), 1, weights.shape[1], -1) * weights
                    )  # [directions, n, b, m]
                    out[order, ..., start : start + len(moves), :].movedim(2, 0).index_add_(
                        3, own, felt
                    )
        return tuple(one[..., :z].unflatten(-1, self.index.shape[1:]) for one in out)

    def directions(self) -> Three | None:
        """Every activation by itself."""
        found = self._pushed(self.index.reshape(-1, 1))
        return tuple(one.unflatten(-1, self.index.shape) for one in found)

    def agrees(self, derivatives: Three, autograd: Tensor) -> bool:
        """Whether autograd has the same first derivatives, and torch's nested forward mode some of
        the others.
        """
        first, second, third = derivatives
        eps = torch.finfo(first.dtype).eps
        near = 0.1 if self.rough else max(1e4 * eps, 1e-6)
        if not _near(first, autograd, near * _largest(autograd)):
            return False
        source = torch.Generator().manual_seed(0)
        some = torch.randint(self.index.numel(), (_SOME,), generator=source)
        for _, moves in self._directions(self.index.reshape(-1, 1)[some]):
            some, now = some[len(moves) :], some[: len(moves)]
            truth = vmap(partial(nested, self.tape))(moves)  # [directions, n, b], three times
            for found, want in zip((second, third), truth[1:], strict=True):
                got, near = found.flatten(2)[..., now].movedim(-1, 0), max(1e5 * eps, 1e-6)
                if not _near(got, want, near * max(_largest(want), _largest(found) * 1e-3)):
                    return False
        return True

    def _read(self, found: Tensor) -> Tensor:
        """`[n, b, ...]` in the layer's own layout as `[n, b, c, *s]`."""
        read: Tensor = found.flatten(2)[..., self.index.flatten()].unflatten(2, self.index.shape)
        return read

    def _until(self, count: int, slot: int) -> Tensor:
        found: Tensor = self.tape.play(self.tape.start, plainly, slice(count), end=slot)
        return found

    def _directions(self, at: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Rows of places `[directions, places]` as moves `[chunk, ...]` of the layer's own output,
        some at a time.
        """
        begun = 0.0
        for start in range(0, len(at), self.chunk):
            if start == self.chunk:  # the first chunk is slower than those behind it
                begun = time.perf_counter()
            if start == 2 * self.chunk:
                _announce((time.perf_counter() - begun) * (len(at) - start) / self.chunk, len(at))
            some = at[start : start + self.chunk]
            moves = self.tape.start.new_zeros(len(some), self.tape.start[0].numel()).scatter_(
                1, some, 1
            )
            yield start, moves.reshape(-1, *self.tape.start.shape[1:])

    def _pushed(self, at: Tensor) -> Sequence[Tensor]:
        """Three derivatives of the scores `[n, b, directions]`."""
        each = vmap(partial(self._carried, slice(None), self.tape.end))
        parts = [each(moves) for _, moves in self._directions(at)]
        return [torch.cat(column).movedim(0, -1) for column in zip(*parts, strict=True)]

    def _carried(self, steps: slice, end: int, move: Tensor) -> tuple[Tensor, ...]:
        """Derivatives of what is in a slot along one direction, the same for every image."""
        jet = Jet(self.tape.start, move.expand_as(self.tape.start))
        found = self.tape.play(jet, jet_rules.play, steps, end=end)
        return tuple(
            torch.zeros_like(found.value) if one is None else one * n
            for one, n in zip(found.moves[1:], (1, 2, 6), strict=True)
        )


def _announce(seconds: float, directions: int) -> None:
    """Tell the user of a long wait while it can still be broken off."""
    if seconds > _LONG:
        warnings.warn(
            f"alpha='exact' carries {directions} directions through what lies behind this layer,"
            f" which will take about {seconds / 60:.0f} minutes. A layer nearer to the output or a"
            " smaller picture takes fewer; alpha='paper' takes none.",
            stacklevel=2,
        )


def nested(tape: Tape, move: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three derivatives of the scores along one direction, by torch's forward mode in itself: slow,
    and not ours.
    """

    def along(t: Tensor) -> Tensor:
        found: Tensor = tape.play(tape.start + t * move, plainly)
        return found

    def slope(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def at(t: Tensor) -> Tensor:
            found: Tensor = jvp(function, (t,), (torch.ones_like(t),))[1]
            return found

        return at

    one = slope(along)
    two = slope(one)
    t = tape.start.new_zeros(())
    return one(t), two(t), slope(two)(t)


def alike(said: Tensor, want: Tensor, rough: bool) -> bool:
    """Whether two runs gave the same scores, as far as a check goes that looks for mistakes and not
    for digits.
    """
    said, want = at_least_float32(said.detach()), at_least_float32(want.detach())
    return said.shape == want.shape and _near(said, want, (0.1 if rough else 1e-3) * _largest(want))


def _near(got: Tensor, want: Tensor, bar: float) -> bool:
    """Whether no number is further off than the bar. NaN in both is reported elsewhere."""
    return bool(((got - want).abs() <= bar).logical_or(~want.isfinite() & ~got.isfinite()).all())


def _largest(values: Tensor) -> float:
    return float(values.abs().nan_to_num(0, 0).max())
