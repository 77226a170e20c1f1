"""The strategies for diagonal derivatives behind a layer: each gives three orders, or None."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.surgery.derivatives import colouring, jet_rules, piecewise_linear
from sightline.surgery.derivatives.jets import Jet
from sightline.surgery.derivatives.second_run import (
    SecondRun,
    close_enough,
    largest,
    read,
    same_gradient,
)
from sightline.surgery.derivatives.tape import Tape, run_op

_NUMBERS = 1 << 22
"""So many numbers of the largest tensor of a tape are in work at once, unless a chunk is stated."""
_MARKS = 1 << 28
"""So many booleans of which position affects what are held."""
_SOME = 6
"""Second and third derivatives that are computed once more, by torch."""
_LONG = 60.0
"""Seconds that nobody waits without being told."""

Three = Sequence[Tensor]
"""First, second and third derivatives, `[n, b, c, *s]`."""


@dataclass(frozen=True)
class DiagonalDerivatives:
    """A tape, and where on it the activations are.

    `index` `[c, *s]` are numbers of positions in the layer's own output. `half_precision` tells
    that what is compared with was computed in it.
    """

    tape: Tape
    index: Tensor
    chunk: int
    half_precision: bool

    @staticmethod
    def of(run: SecondRun, chunk: int | None) -> "DiagonalDerivatives":
        """Raises `Untaped` where there is no tape, or it does not give the scores."""
        tape, numbers = run.tape()
        chunk = chunk or max(1, min(1024, _NUMBERS // numbers))
        return DiagonalDerivatives(tape, run.index, chunk, run.half_precision)

    def linear(self) -> Three | None:
        """Where everything is linear, in pieces: the gradient, and zeros."""
        if piecewise_linear.last_nonlinear(self.tape):
            return None
        first = self._read(piecewise_linear.weights_behind(self.tape, 0, 0, self.tape.start))
        return first, torch.zeros_like(first), torch.zeros_like(first)

    def powers(self) -> Three | None:
        """Of one nonlinearity between two matrices, by the powers of their elements."""
        found = piecewise_linear.by_powers(self.tape)
        return None if found is None else tuple(self._read(one) for one in found)

    def pooled(self) -> Three | None:
        """Where one position stands for all."""
        if not colouring.depends_on_means(self.tape, self.index):
            return None
        found = self._pushed(self.index.flatten(1)[:, :1])
        return tuple(
            one.reshape(*one.shape[:3], *[1] * (self.index.ndim - 1)).expand(
                *one.shape[:2], *self.index.shape
            )
            for one in found
        )

    def coloured(self) -> Three | None:
        """Positions that affect no number in common, together."""
        count, slot = colouring.seam(self.tape)
        there: Tensor = self.tape.play(self.tape.start, run_op, slice(count), end=slot)
        if self.index[0].numel() * there[0].numel() > _MARKS:
            return None  # to know what affects what would take more memory than it saves time
        # One number an image, such as the best of many scores, leaves no axis to flatten.
        affected = colouring.reach(self.tape, self.index, count, slot, self.chunk)
        affected = affected.reshape(len(affected), -1)
        groups = colouring.colours(affected)
        if len(groups) == len(affected):
            return None
        weights = piecewise_linear.weights_behind(self.tape, count, slot, there)
        weights = weights.reshape(*weights.shape[:2], -1)  # [n, b, m]
        channels, z = self.index.flatten(1).shape
        out = self.tape.start.new_zeros(3, *weights.shape[:2], channels, z + 1)
        for group in groups:
            own = colouring.owners(affected, group)
            at = self.index.flatten(1)[:, group]  # [c, positions of this colour]
            for start, moves in self._directions(at):
                three = vmap(partial(self._carried, slice(count), slot))(moves)
                for order, one in enumerate(three):
                    # [directions, n, b, m]
                    summands = one.reshape(len(moves), 1, weights.shape[1], -1) * weights
                    rows = out[order, ..., start : start + len(moves), :].movedim(2, 0)
                    rows.index_add_(3, own, summands)
        return tuple(one[..., :z].unflatten(-1, self.index.shape[1:]) for one in out)

    def directions(self) -> Three | None:
        """Every activation by itself."""
        found = self._pushed(self.index.reshape(-1, 1))
        return tuple(one.unflatten(-1, self.index.shape) for one in found)

    def confirmed(self, derivatives: Three, autograd: Tensor) -> bool:
        """Whether autograd has the same gradient, and torch's nested forward mode some others."""
        first, second, third = derivatives
        if not same_gradient(first, autograd, self.half_precision):
            return False
        share = max(1e5 * torch.finfo(first.dtype).eps, 1e-6)
        source = torch.Generator("cpu").manual_seed(0)
        some = torch.randint(self.index.numel(), (_SOME,), generator=source, device="cpu")
        for _, moves in self._directions(self.index.reshape(-1, 1)[some]):
            some, now = some[len(moves) :], some[: len(moves)]
            truth = vmap(partial(nested, self.tape))(moves)  # [directions, n, b], three times
            for found, want in zip((second, third), truth[1:], strict=True):
                got = found.flatten(2)[..., now].movedim(-1, 0)
                bar = share * max(largest(want), largest(found) * 1e-3)
                if not close_enough(got, want, bar):
                    return False
        return True

    def _read(self, found: Tensor) -> Tensor:
        return read(found, self.index)

    def _directions(self, at: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Rows of positions `[directions, positions]` as moves `[chunk, ...]`, some at a time.

        A move is a change of the layer's own output.
        """
        begun = 0.0
        for start in range(0, len(at), self.chunk):
            if start == self.chunk:  # the first chunk is slower than those behind it
                begun = time.perf_counter()
            if start == 2 * self.chunk:
                _announce((time.perf_counter() - begun) * (len(at) - start) / self.chunk, len(at))
            some = at[start : start + self.chunk]
            moves = self.tape.start.new_zeros(len(some), self.tape.start[0].numel())
            moves.scatter_(1, some, 1)
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
    """Three derivatives along a direction by torch's forward mode in itself: slow, and not ours."""

    def scores(t: Tensor) -> Tensor:
        found: Tensor = tape.play(tape.start + t * move, run_op)
        return found

    def derivative(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def at(t: Tensor) -> Tensor:
            found: Tensor = jvp(function, (t,), (torch.ones_like(t),))[1]
            return found

        return at

    first = derivative(scores)
    second = derivative(first)
    t = tape.start.new_zeros(())
    return first(t), second(t), derivative(second)(t)


STRATEGIES: dict[str, Callable[[DiagonalDerivatives], Three | None]] = {
    "straight": DiagonalDerivatives.linear,
    "powers": DiagonalDerivatives.powers,
    "pooled": DiagonalDerivatives.pooled,
    "coloured": DiagonalDerivatives.coloured,
    "directions": DiagonalDerivatives.directions,
}
"""The cheapest first, by the names that the documentation and `Curvature.strategy` give them."""
