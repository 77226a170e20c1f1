"""A cut made of several layers: branches that are joined by the model's own code, and not before.

Of the blocks side by side, the members of an ensemble, a decoder and a side head no layer carries
what the others do, and what they are joined to may be no module's output. So the last layers of all
of them are opened together.
"""

from collections.abc import Hashable

from sightline.surgery.harness.given import Given
from sightline.surgery.layers.search import Choice, ranking
from sightline.surgery.place.carried import WHOLE, Flow, Passed, Score, flow
from sightline.surgery.place.memory import remembered
from sightline.surgery.place.opened import LayerRun

_MORE = 0.005
"""A layer that carries less than this of what is missing is not worth a place in the cut."""


def whole_cut(
    given: Given, choice: Choice, score: Score, about: Hashable = None
) -> tuple[Choice, ...]:
    """The choice, and the layers beside it that carry what it does not; alone if there are none.

    The last ones are taken, and none that lies before or behind another: what comes back would
    come twice. Together they carry all; where no layers do, the choice stays alone.

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
    ['right', 'left']
    """
    key = "cut", choice.name, choice.grid, about
    cut: tuple[Choice, ...] = remembered(given, key, lambda: _whole_cut(given, choice, score))
    return cut


def _whole_cut(given: Given, choice: Choice, score: Score) -> tuple[Choice, ...]:
    known = {one.name: one for one in (choice, *ranking(given, score))}
    runs = [LayerRun(one.name, -1, one.grid) for one in known.values()]
    with flow(given, runs, score) as found:
        if found is None or not found.layers or found.layers[0].run.name != choice.name:
            return (choice,)
        cut, share = _together(found)
    if share < WHOLE:
        return (choice,)
    return tuple(known[one.run.name] for one in cut)


def _together(found: Flow) -> tuple[list[Passed], float]:
    """The first layer and those that add to it, and the share that they carry together."""
    first, *rest = found.layers
    cut, share = [first], found.share([first]) or 0.0
    for layer in rest:
        if share >= WHOLE:
            break
        if any(_on_one_way(found, layer, other) for other in cut):
            continue
        more = found.share([*cut, layer]) or 0.0
        if more > share + _MORE:
            cut, share = [*cut, layer], more
    return cut, share


def _on_one_way(found: Flow, one: Passed, other: Passed) -> bool:
    return found.reaches(one.map, set(), other.map) or found.reaches(other.map, set(), one.map)
