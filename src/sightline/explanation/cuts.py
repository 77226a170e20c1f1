"""Where a model is opened for one map: at a layer, or at several that carry the score together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sightline.maps.upsample import enlarged
from sightline.surgery import Choice, Where
from sightline.surgery.harness.resolve import resolve

_AND = " + "


@dataclass(frozen=True)
class Cut:
    """The layers that make one map, each with how it is read (None: as its shape tells)."""

    grids: dict[str, Any]
    reason: str

    @property
    def name(self) -> str:
        """The layers' names, `left + right`."""
        return _AND.join(self.grids)


def cut_of(choices: Sequence[Choice], grid: Any = None) -> Cut:
    """Layers that were chosen; a `grid` that the caller stated goes before their own."""
    grids = {one.name: one.grid if grid is None else grid for one in choices}
    reason = choices[-1].reason
    if len(choices) > 1:
        reason = f"{len(choices)} branches that carry the score together; the last: {reason}"
    return Cut(grids, reason)


def cut_at(model: nn.Module, layer: Where, grid: Any) -> Cut:
    """The layer that a caller named, or those of `"left + right"`."""
    known = dict(model.named_modules())
    several = isinstance(layer, str) and layer not in known and _AND in layer
    names: list[Any] = layer.split(_AND) if isinstance(layer, str) and several else [layer]
    return Cut({resolve(model, one)[0]: grid for one in names}, "named by the caller")


def joined(maps: Sequence[Tensor]) -> Tensor:
    """Maps of several layers, `[m, *s]` each, added on the finest of their grids.

    What a map says of a place belongs to as much of the picture as the place is wide: on a finer
    grid it is shared among the places there, so that its sum stays what it was. Layers with grids
    of one size have the map that their channels would have had in one layer.

    >>> import torch
    >>> joined([torch.ones(1, 2, 2), torch.ones(1, 4, 4)]).sum()
    tensor(20.)
    """
    finest = max((one.shape[1:] for one in maps), key=lambda size: size.numel())
    added = [
        enlarged(one, finest) * (one.shape[1:].numel() / finest.numel())
        if one.shape[1:] != finest
        else one
        for one in maps
    ]
    total = added[0]
    for more in added[1:]:
        total = total + more
    return total
