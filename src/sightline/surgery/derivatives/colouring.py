"""Which positions of a layer can move together: all behind a pool, some behind local operators."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.func import jvp, vmap

from sightline.surgery.backward.operators import operator
from sightline.surgery.derivatives.piecewise_linear import is_linear, last_nonlinear
from sightline.surgery.derivatives.tape import Step, Tape, run_op


def depends_on_means(tape: Tape, index: Tensor) -> bool:
    """Whether the scores depend on each channel's mean only, so that one position stands for all.

    `index` `[c, *s]` says where the activations stand in the layer's own output. Looked for is a
    bottleneck with nothing but linear operators before it, through which no change passes that
    leaves every mean as it is. That is asked of a random change: what is linear and lets such a one
    not pass lets none pass.
    """
    source = torch.Generator("cpu").manual_seed(0)
    change = torch.randn(index.shape, generator=source, dtype=torch.float64, device="cpu")
    change = change.to(tape.start)
    same = change - change.flatten(1).mean(1).reshape(-1, *[1] * (index.ndim - 1))
    moves = tape.start.new_zeros(2, tape.start[0].numel())
    moves[0, index.flatten()], moves[1, index.flatten()] = same.flatten(), change.flatten()
    for count, slots in enumerate(tape.crossing(), 1):
        if not is_linear(tape.steps[count - 1]):
            return False
        if len(slots) != 1:
            continue

        def head(at: Tensor, count: int = count, end: int = slots[0]) -> Tensor:
            found: Tensor = tape.play(at, run_op, slice(count), end=end)
            return found

        directions = moves.reshape(2, 1, *tape.start.shape[1:]).expand(2, *tape.start.shape)
        kept, any_change = (jvp(head, (tape.start,), (one,))[1].abs().max() for one in directions)
        if any_change > 0 and kept <= 100 * torch.finfo(tape.start.dtype).eps * any_change:
            return True
    return False


def seam(tape: Tape) -> tuple[int, int]:
    """After how many steps all goes through one slot and is linear from there on, and that slot."""
    crossing, nonlinear = tape.crossing(), last_nonlinear(tape)
    return next(
        (count, slots[0])
        for count, slots in enumerate(crossing, 1)
        if count >= nonlinear and len(slots) == 1
    )


def reach(tape: Tape, index: Tensor, count: int, slot: int, chunk: int) -> Tensor:
    """Which numbers of a slot each of z positions affects, in any of the images: `[z, ...]`.

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


def colours(affected: Tensor) -> list[list[int]]:
    """Positions in groups in which no two affect the same number; greedily, of `affected` `[z, m]`.

    >>> colours(torch.tensor([[1, 1, 0], [0, 1, 1], [0, 0, 1]]).bool())
    [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    taken: list[Tensor] = []
    for position, own in enumerate(affected):
        for group, affected_by_group in zip(groups, taken, strict=True):
            if not bool((own & affected_by_group).any()):
                group.append(position)
                affected_by_group |= own
                break
        else:
            groups.append([position])
            taken.append(own.clone())
    return groups


def owners(affected: Tensor, group: Sequence[int]) -> Tensor:
    """For each of m numbers the position of a group that affects it, `[m]`; z where there is none.

    >>> owners(torch.tensor([[1, 0, 0], [0, 0, 1]]).bool(), [0, 1])
    tensor([0, 2, 1])
    """
    found = torch.full(affected.shape[1:], len(affected), device=affected.device)
    for position in group:
        found[affected[position]] = position
    return found


def _spreading(step: Step, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    found = step.op(*args, **kwargs)
    if operator(step.name).elementwise:
        for one in args:
            if isinstance(one, Tensor) and one.shape == found.shape:
                found = torch.where(one.isnan(), torch.nan, found)
    return found
