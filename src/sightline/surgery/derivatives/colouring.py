"""Which places of a layer can be set moving together: all behind a pool, a grid of them behind
local operators.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.surgery.derivatives.jet_rules import CURVED, STRAIGHT
from sightline.surgery.derivatives.piecewise_linear import is_straight, last_bend
from sightline.surgery.derivatives.tape import Step, Tape, plainly
from sightline.tensors import per_image


def pooled(tape: Tape, index: Tensor) -> bool:
    """Whether the scores depend on each channel's mean only, so that one place stands for all.

    `index` `[c, *s]` says where the activations stand in the layer's own output. Looked for is a
    bottleneck with nothing but straight operators before it, through which no change passes that
    leaves every mean as it is. That is asked of a random change: what is linear and lets such a one
    not pass lets none pass.
    """
    source = torch.Generator().manual_seed(0)
    change = torch.randn(index.shape, generator=source, dtype=torch.float64).to(tape.start)
    same = change - per_image(change.flatten(1).mean(1), index.ndim)
    moves = tape.start.new_zeros(2, tape.start[0].numel())
    moves[0, index.flatten()], moves[1, index.flatten()] = same.flatten(), change.flatten()
    for count, slots in enumerate(tape.crossing(), 1):
        if not is_straight(tape.steps[count - 1]):
            return False
        if len(slots) != 1:
            continue

        def head(at: Tensor, count: int = count, end: int = slots[0]) -> Tensor:
            found: Tensor = tape.play(at, plainly, slice(count), end=end)
            return found

        ways = moves.reshape(2, 1, *tape.start.shape[1:]).expand(2, *tape.start.shape)
        quiet, loud = (jvp(head, (tape.start,), (way,))[1].abs().max() for way in ways)
        if loud > 0 and quiet <= 100 * torch.finfo(tape.start.dtype).eps * loud:
            return True
    return False


def seam(tape: Tape) -> tuple[int, int]:
    """After how many steps all goes through one slot and is straight from there on, and that slot."""
    crossing, bend = tape.crossing(), last_bend(tape)
    return next(
        (count, slots[0])
        for count, slots in enumerate(crossing, 1)
        if count >= bend and len(slots) == 1
    )


def reach(tape: Tape, index: Tensor, count: int, slot: int, chunk: int) -> Tensor:
    """Which numbers in a slot `[b, ...]` each of z places has a say in: `[z, ...]`, in any of the
    images.

    Found by a mark that nothing wipes off: what is computed with NaN is NaN. Activations could lose
    it, so there it is put back. It spreads at least as far as the derivatives do.
    """

    def marked(mark: Tensor) -> Tensor:
        found: Tensor = tape.play(
            torch.where(mark, torch.nan, tape.start), _spreading, slice(count), end=slot
        )
        return found.isnan().any(0)

    flat = index.flatten(1).T  # [z, c]
    marks = torch.zeros(
        len(flat), tape.start[0].numel(), dtype=torch.bool, device=tape.start.device
    )
    marks.scatter_(1, flat, True)
    found: Tensor = vmap(marked, chunk_size=chunk)(marks.reshape(-1, *tape.start.shape[1:]))
    return found


def colours(touched: Tensor) -> list[list[int]]:
    """Places in groups in which no two have a say in the same number, `touched` `[z, m]`; the first
    that fits.

    >>> colours(torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]]).bool())
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    taken: list[Tensor] = []
    for place, own in enumerate(touched):
        for group, together in zip(groups, taken, strict=True):
            if not bool((own & together).any()):
                group.append(place)
                together |= own
                break
        else:
            groups.append([place])
            taken.append(own.clone())
    return groups


def owners(touched: Tensor, group: Sequence[int]) -> Tensor:
    """For each of m numbers the place of a group that has a say in it, `[m]`; z where there is
    none.

    >>> owners(torch.tensor([[1, 0, 0], [0, 0, 1]]).bool(), [0, 1])
    tensor([0, 2, 1])
    """
    found = torch.full(touched.shape[1:], len(touched), device=touched.device)
    for place in group:
        found[touched[place]] = place
    return found


def _spreading(step: Step, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    found = step.op(*args, **kwargs)
    if step.name in STRAIGHT or step.name in CURVED:
        for one in args:
            if isinstance(one, Tensor) and one.shape == found.shape:
                found = torch.where(one.isnan(), torch.nan, found)
    return found
