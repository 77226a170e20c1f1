"""How a grid may be turned over the picture: transposed, mirrored, moved by half."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import prod

import torch
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Turn:
    """Where the places of a grid `[*s]` would lie if it had been laid out otherwise.

    The places, one after another, belong to the axes in the order `order`; then each axis of
    `mirrored` is turned round, and each of `rolled` moved on by half its length. All of it is
    undone by calling the turn with a map.

    >>> Turn((1, 0))(torch.arange(6.0).view(1, 1, 2, 3))
    tensor([[[[0., 2., 4.],
              [1., 3., 5.]]]])
    >>> print(Turn((1, 0), mirrored=(1,)))
    transposed and mirrored along the width
    """

    order: tuple[int, ...]
    mirrored: tuple[int, ...] = ()
    rolled: tuple[int, ...] = ()

    def __call__(self, maps: Tensor) -> Tensor:
        """A map `[..., *s]` with every place where this turn says it lies."""
        axes = len(self.order)
        size = maps.shape[-axes:]
        leading = maps.ndim - axes
        turned: Tensor = maps.flatten(leading).unflatten(leading, [size[k] for k in self.order])
        back = sorted(range(axes), key=lambda k: self.order[k])
        turned = turned.permute(*range(leading), *(leading + k for k in back))
        turned = turned.flip([leading + k for k in self.mirrored])
        for axis in self.rolled:
            turned = turned.roll(size[axis] // 2, leading + axis)
        return turned

    def undone(self, maps: Tensor) -> Tensor:
        """What was read by this turn, as it was before.

        >>> turn, maps = Turn((1, 0), mirrored=(0,)), torch.rand(2, 3)
        >>> torch.equal(turn.undone(turn(maps)), maps)
        True
        """
        axes = len(self.order)
        size, leading = maps.shape[-axes:], maps.ndim - axes
        for axis in self.rolled:
            maps = maps.roll(-(size[axis] // 2), leading + axis)
        turned = maps.flip([leading + k for k in self.mirrored])
        turned = turned.permute(*range(leading), *(leading + k for k in self.order))
        undone: Tensor = turned.flatten(leading).unflatten(leading, size)
        return undone

    def moved(self, places: Sequence[Shape], size: Shape) -> list[Shape]:
        """Where each place of the grid lies by this turn, as a place of the grid again.

        >>> Turn((0, 1), rolled=(1,)).moved([(0, 0), (1, 3)], (2, 4))
        [(0, 2), (1, 1)]
        """
        count = prod(size)
        numbers = torch.arange(count, device="cpu").view(size)
        found = torch.empty_like(numbers).flatten()
        found[self(numbers).flatten()] = numbers.flatten()
        there = [int(found[numbers[place]]) for place in places]
        axes = torch.unravel_index(numbers.new_tensor(there), size)
        return list(zip(*(axis.tolist() for axis in axes), strict=True))

    def __str__(self) -> str:
        said = ["transposed"] if list(self.order) != sorted(self.order) else []
        for word, which in (("mirrored", self.mirrored), ("moved by half", self.rolled)):
            if which:
                names = AXES[len(self.order)]
                said.append(f"{word} along the {' and the '.join(names[k] for k in which)}")
        return " and ".join(said)


AXES = {1: ("length",), 2: ("height", "width"), 3: ("first axis", "height", "width")}


def turns(axes: int) -> Iterator[Turn]:
    """Every turn of a grid of so many axes, the simplest first.

    >>> [str(turn) for turn in turns(1)]
    ['mirrored along the length', 'moved by half along the length']
    """
    plain = tuple(range(axes))
    some = [which for which in _subsets(plain) if which]
    yield from (Turn(plain, mirrored=which) for which in some)
    yield from (Turn(plain, rolled=which) for which in some)
    for order in permutations(plain):
        if order != plain:
            yield from (Turn(order, mirrored=which) for which in _subsets(plain))


def _subsets(axes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for chosen in sorted(product((False, True), repeat=len(axes)), key=sum):
        yield tuple(k for k, one in zip(axes, chosen, strict=True) if one)
