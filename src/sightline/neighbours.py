"""Which layer? The automatic one against those beside it, measured on pictures of one's own."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.datasets import Data, open_data
from sightline.datasets.data import spread
from sightline.errors import DataError, LayerError, MethodError, ProtocolError, near
from sightline.evaluate import evaluate
from sightline.explain import explain
from sightline.feed import DataFeed, from_batches
from sightline.intervals import Interval, Paired, bootstrap, paired
from sightline.intervals.bootstrap import Values
from sightline.models import card_of
from sightline.plan import steps
from sightline.protocol import Protocol, preset
from sightline.rows import as_model
from sightline.store import Results
from sightline.surgery import operable
from sightline.surgery.choice import choose
from sightline.surgery.grids import Shape
from sightline.surgery.layers import Candidate
from sightline.surgery.passing import said
from sightline.surgery.places import surveyed
from sightline.surgery.stages import stages

_BEHIND = 6


@dataclass(frozen=True)
class Neighbour:
    """A layer that was measured.

    `place` is the number of stages from the automatic layer (0, before it negative). `order` is the mean insertion less
    deletion of its maps, `less` that less the automatic layer's on the same images; both are None where its maps are
    blank: what the model says depends on none of its places.
    """

    layer: str
    channels: int
    grid: Shape
    place: int
    order: Interval | None
    less: Paired | None

    @property
    def verdict(self) -> str:
        """`automatic`, `more faithful`, `less faithful`, `not told apart` or `blank`; 30 images tell at least."""
        if self.place == 0:
            return "automatic"
        if self.less is None:
            return "blank"
        if not self.less.clear:
            return "not told apart"
        return "more faithful" if self.less.difference > 0 else "less faithful"


def compare_layers(
    model: nn.Module,
    data: Any,
    method: str | Callable[..., Any] = "grad_cam_pp",
    *,
    layers: str | Sequence[str] | None = None,
    protocol: Protocol | str = "paper",
    limit: int | None = None,
    classes: Any = None,
    out: str | Path | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> list[Neighbour]:
    """Whether the automatic layer's maps are at least as faithful as those of the layers beside it.

    Each layer's maps delete and insert pixels, the same number at a time (Petsiuk et al. 2018): *order*, insertion less
    deletion, is large where the pixels a map calls important are those the model's confidence hangs on. Intervals are
    paired bootstraps over images, each of level 1 - 0.05 / (number of layers compared): 0.95 for all together.

    - `data`: as for `evaluate`; batches must come again each time (a list, a `DataLoader`). `limit`, `classes`,
      `batch_size`, `progress`: as there.
    - `layers`: names of those to compare; by default `neighbours`.
    - `out`: a folder for the rows, one for each layer; a comparison that was stopped goes on there.

    The layers come in the order of running, the automatic one with `place` 0. Raises `LayerError` for a name
    that is no layer with a grid, `MethodError` for a method that opens none, `ProtocolError` for a protocol that names
    a layer, and what `evaluate` raises.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    >>> net = nn.Sequential(*net, nn.Flatten(), nn.Linear(4, 2))
    >>> found = compare_layers(net, [torch.rand(4, 3, 12, 12)], progress=False)
    >>> [(one.layer, one.grid, one.place, one.verdict) for one in found][1:]
    [('2', (8, 8), -1, 'not told apart'), ('3', (8, 8), 0, 'automatic')]
    """
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    if protocol.layer is not None:
        raise ProtocolError(
            f"Expected a protocol without a layer, which is set to each in turn; got layer={protocol.layer!r}. "
            "Say layers=[...] for those to compare."
        )
    if not any(step.weigh for step in steps(method, {})):
        raise MethodError(
            f"Expected a method that opens a layer; {method!r} opens none. Take one such as 'grad_cam_pp'."
        )
    data = open_data(data) if isinstance(data, str | Path) else data
    if isinstance(data, Data):
        data, limit = replace(data, records=spread(data.records, limit)), None
    one = _noise(as_model(operable(model), _first(model, data).unsqueeze(0)), 1)
    names = [layers] if isinstance(layers, str) else layers
    rows = neighbours(model, one) if names is None else _named(model, one, names)
    measured: dict[str, Results | None] = {}
    for row, place in rows:
        where = None if out is None else Path(out) / re.sub(r"[^\w.-]", "_", row.name)
        measured[row.name] = None if place and not speaks(model, row.name, one) else evaluate(
            model, data, [method], "deletion,insertion", protocol=replace(protocol, layer=row.name), out=where,
            limit=limit, classes=classes, batch_size=batch_size, views=0, progress=progress,
        )  # fmt: skip
    return _compared(rows, measured)


def neighbours(model: nn.Module, inputs: Any) -> list[tuple[Candidate, int]]:
    """The automatic layer and those beside it among the model's stages, in the order of running, with their places.

    Those beside it are the one just before, the block before that (what holds convolutions or linear layers), the last
    one with a finer grid, and what comes behind, six at most. A place is the number of stages from the automatic one.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3),
    ...     nn.ReLU(),
    ...     nn.Conv2d(4, 4, 3, 2),
    ...     nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1),
    ...     nn.Flatten(),
    ...     nn.Linear(4, 2),
    ... )
    >>> [(row.name, place) for row, place in neighbours(net, torch.rand(1, 3, 12, 12))]
    [('1', -2), ('2', -1), ('3', 0)]
    """
    model = operable(model)
    pool, at = _stages(model, inputs)
    same = [pool[k].grid.size == pool[at].grid.size for k in range(at)]
    finer = [k for k in range(at) if not same[k]][-1:]
    block = [k for k in range(at - 1) if same[k] and _is_block(model, pool[k])][-1:]
    kept = sorted({*finer, *block, *range(max(0, at - 1), min(len(pool), at + 1 + _BEHIND))})
    return [(pool[k], k - at) for k in kept if k == at or np.prod(pool[k].grid.size) > 1]


def speaks(model: nn.Module, layer: str, inputs: Tensor) -> bool:
    """Whether any of four pictures of noise like these has a map there: behind the last attention of a ViT none has.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> speaks(net, "0", torch.rand(1, 3, 8, 8))
    True
    """
    return bool(explain(model, _noise(inputs, 4), layer=layer, method="grad_cam").coarse.any())


def advice(found: Sequence[Neighbour]) -> str:
    """What a comparison says to do, in a sentence or two.

    >>> same = Neighbour("layer3", 64, (8, 8), -4, Interval(0.3, 0.2, 0.4, 9), Paired(0.1, -0.1, 0.3, 0.4, 9))
    >>> advice([same, Neighbour("layer4", 64, (8, 8), 0, Interval(0.2, 0.1, 0.3, 9), None)])
    'layer4 stays: nothing beside it is shown to be more faithful on 9 images. Give 30 or more: fewer tell nothing.'
    """
    automatic = next(one for one in found if one.place == 0)
    images = automatic.order.n if automatic.order else 0
    better = [one for one in found if one.verdict == "more faithful"]
    if not better:
        few = "" if images >= 30 else " Give 30 or more: fewer tell nothing."
        return f"{automatic.layer} stays: nothing beside it is shown to be more faithful on {images} images.{few}"
    best = max(better, key=lambda one: one.less.difference if one.less else 0.0)
    return (
        f"{best.layer} is more faithful on these {images} images: name it, layer={best.layer!r}. It is the best of "
        f"{len(found)} on these; other images tell whether it stays so."
    )


def _noise(inputs: Tensor, count: int) -> Tensor:
    """So many pictures of noise like these: what stands beside what follows from the network, not from a picture."""
    return torch.rand(count, *inputs.shape[1:], generator=torch.Generator().manual_seed(0)).to(inputs)


def _stages(model: nn.Module, inputs: Any) -> tuple[list[Candidate], int]:
    """The model's stages and blocks in the order of running, and which of them is the automatic layer."""
    rows, outputs = surveyed(model, inputs)
    logits = said(outputs)
    chosen = choose(model, inputs).name
    held = {id(row) for row in stages(rows, outputs, logits)} if logits is not None else set()
    kept = [row for row in rows if id(row) in held or chosen in row.names or (not row.inside and _is_block(model, row))]
    return kept, next(k for k, row in enumerate(kept) if chosen in row.names)


def _named(model: nn.Module, inputs: Tensor, layers: Sequence[str]) -> list[tuple[Candidate, int]]:
    """These layers and the automatic one, with the numbers of layers between."""
    rows, _ = surveyed(operable(model), inputs)
    chosen = choose(model, inputs).name
    at = next(k for k, row in enumerate(rows) if chosen in row.names)
    where = {name: k for k, row in enumerate(rows) for name in row.names}
    for name in layers:
        if name not in where:
            raise LayerError(f"Expected the name of a layer with a grid; came {name!r}. {near(name, where)}")
    return [(rows[k], k - at) for k in sorted({at, *(where[name] for name in layers)})]


def _is_block(model: nn.Module, row: Candidate) -> bool:
    """Whether a layer is made of several, one of them convolutional or linear; an attention or MLP alone is none."""
    module = model.get_submodule(row.name)
    several = any(True for _ in module.children()) and not re.search("(?i)mlp|attention", type(module).__name__)
    return several and any(isinstance(one, nn.Conv2d | nn.Linear) for one in module.modules())


def _first(model: nn.Module, data: Any) -> Tensor:
    """The first picture that can be used, as the model takes it."""
    if isinstance(data, Iterator):
        raise DataError(
            "Expected a data set, or batches that come again for each layer; got an iterator, which comes once. "
            "Give the loader itself, or list(...)."
        )
    preprocess = card_of(model).preprocess
    feed: Any = DataFeed(data, preprocess) if isinstance(data, Data) else None
    items = feed or (item for batch in from_batches(data, preprocess, 0) for item in batch.items)
    found: Tensor | None = next((item.inputs for item in items if item.inputs is not None), None)
    if found is None:
        raise DataError("Expected at least one picture that can be read; there is none. Look at the data set.")
    return found


def _compared(rows: Sequence[tuple[Candidate, int]], measured: dict[str, Results | None]) -> list[Neighbour]:
    """The rows of each layer against those of the automatic one, on the same images."""
    if len({tuple(one.column("source")) for one in measured.values() if one is not None}) > 1:
        raise DataError(
            "Expected the same images in the same order for each layer; other ones came (a loader that shuffles). "
            "Switch shuffling off."
        )
    orders = {name: None if one is None else _order(one) for name, one in measured.items()}
    chosen = next(row.name for row, place in rows if place == 0)
    own, level = orders[chosen], 1 - 0.05 / max(1, sum(one is not None for one in orders.values()) - 1)
    found = []
    for row, place in rows:
        order = orders[row.name]
        less = None
        if place and order is not None and own is not None:
            less = paired(lambda values: values.mean(), order, own, level=level)
        mean = None if order is None else bootstrap(lambda values: values.mean(), order)
        found.append(Neighbour(row.name, row.channels, row.grid.size, place, mean, less))
    return found


def _order(rows: Results) -> Values:
    """Insertion less deletion, one number an image; nan for one that could not be used."""
    inserted, deleted = (np.asarray(rows.column(word), float) for word in ("insertion", "deletion"))
    order: Values = inserted - deleted
    return order
