"""A cut made of several layers: branches that are joined by the model's own code, and not before.

Of the blocks side by side, the members of an ensemble, a decoder and a side head no layer carries
what the others do, and what they are joined to may be no module's output. So the last layers of all
of them are opened together.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import permutations

from sightline.surgery.harness.given import Given
from sightline.surgery.harness.opened_layer import LayerRun, TracedLayer
from sightline.surgery.layers.search import Choice, ranking
from sightline.surgery.memory.remembered import remembered
from sightline.surgery.place.carried import WHOLE, Flow, Passed, Score, flow, share
from sightline.surgery.place.opened import leads

_MORE = 0.005
"""A layer that adds less than this is not worth a place in the cut."""

_MOST = 64
"""So many layers beside the first are looked through: three derivatives each."""


def whole_cut(
    given: Given, choice: Choice, score: Score, about: Hashable = None
) -> tuple[Choice, ...]:
    """The choice, and the layers beside it that carry what it does not, in the order of running.

    None of them lies before or behind another: what comes back would come twice. Where no layers
    carry all together, the last one before the choice that does so alone; where that is far before
    it (and knows little of what is on the picture), the choice.

    >>> import torch
    >>> from torch import nn
    >>> class Two(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.left, self.right = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
    ...
    ...     def forward(self, x):
    ...         return torch.cat([self.left(x), self.right(x)], 1).mean((2, 3))
    >>> given = Given.of(Two(), torch.rand(1, 3, 8, 8))
    >>> cut = whole_cut(given, Choice("right", "named"), lambda out: out.sum(1))
    >>> [one.name for one in cut]
    ['left', 'right']
    """
    key = "cut", choice.name, choice.call, choice.grid, about
    cut: tuple[Choice, ...] = remembered(given, key, lambda: _whole_cut(given, choice, score))
    return cut


def in_a_row(layers: Sequence[TracedLayer]) -> tuple[str, str] | None:
    """Two of some layers of one run of which the first leads to the second; None: all are apart."""
    for one, other in permutations(layers, 2):
        if leads(other.node, one.node):
            return one.layer, other.layer
    return None


def _whole_cut(given: Given, choice: Choice, score: Score) -> tuple[Choice, ...]:
    known = {choice.name: choice}
    for one in ranking(given, score):
        if one.call == -1:  # what runs on later is not what its name stands for
            known.setdefault(one.name, one)
    runs = [LayerRun(one.name, one.call, one.grid) for one in known.values()]
    with flow(given, runs, score) as found:
        if found is None or not found.layers or found.layers[0].run.name != choice.name:
            return (choice,)
        cut, carries = _together(found)
        alone = None if carries >= WHOLE else _alone(found)
    if alone is not None:
        why = f"the last layer that carries the whole score; {choice.name!r} carries a part"
        return (replace(known[alone.run.name], reason=why),)
    if carries < WHOLE:
        return (choice,)
    return tuple(known[one.run.name] for one in sorted(cut, key=lambda one: one.number))


def _alone(found: Flow) -> Passed | None:
    """The last layer that carries all by itself and has no more than four places for one."""
    first, *rest = found.layers
    most = 4 * first.grid.read(first.map)[0, 0].numel()
    near = [one for one in rest if one.grid.read(one.map)[0, 0].numel() <= most]
    return next((one for one in near[:_MOST] if (found.share([one]) or 0) >= WHOLE), None)


def _together(found: Flow) -> tuple[list[Passed], float]:
    """The first layer and those that add most to it, and the share that they carry together."""
    first, *rest = found.layers
    whole, through = found.whole(), found.through(first)
    if whole is None or through is None:
        return [first], 0.0
    cut, carries = [first], share(whole, through)
    others = [one for one in rest if not _on_one_way(one, first)][:_MOST]
    parts = [(one, part) for one in others if (part := found.through(one)) is not None]
    while parts and carries < WHOLE:
        shares = [share(whole, through + part) for _, part in parts]
        best = next(k for k, one in enumerate(shares) if one >= max(shares) - _MORE)  # the last
        if shares[best] <= carries + _MORE:
            break
        added, part = parts[best]
        cut, through, carries = [*cut, added], through + part, shares[best]
        parts = [one for one in parts if not _on_one_way(one[0], added)]
    return cut, carries


def _on_one_way(one: Passed, other: Passed) -> bool:
    return leads(one.map, other.map) or leads(other.map, one.map)
