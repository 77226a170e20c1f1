"""Which layer? The automatic one against those beside it, measured on pictures of one's own."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sightline.errors import DataError, MethodError, ProtocolError
from sightline.evaluation.evaluate import evaluate
from sightline.evaluation.sources import opened, source_of
from sightline.evaluation.statistics import Interval, Paired, bootstrap, paired
from sightline.evaluation.statistics.bootstrap import Values
from sightline.evaluation.statistics.compare import FEW
from sightline.evaluation.store import Results
from sightline.explanation.explain import explain
from sightline.explanation.inputs import as_taken, like_model
from sightline.explanation.plan import steps
from sightline.images import as_preprocess
from sightline.metrics.metric import mean
from sightline.models import card_of
from sightline.protocol import Protocol, preset
from sightline.surgery import Given, noise, supported_model
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.resolve import Where
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.neighbours import neighbours, with_automatic
from sightline.types import Preprocess

_Key = tuple[str, int]
_LEAST = 0.01
"""The least difference in order that is told: one hundredth of a confidence."""
_TAKEN: tuple[tuple[type[nn.Module], str], ...] = (
    (nn.Conv1d, "signals [channels, steps]"),
    (nn.Conv2d, "pictures [channels, height, width]"),
    (nn.Conv3d, "volumes [channels, depth, height, width]"),
)


@dataclass(frozen=True)
class Neighbour:
    """A layer that was measured.

    `place` is the number of stages from the automatic layer (0, before it negative). `order` is the
    mean insertion less deletion of its maps, `less` that less the automatic layer's on the same
    images; both are None where its maps are blank: what the model says depends on none of its
    places.
    """

    layer: str
    channels: int
    grid: Shape
    place: int
    order: Interval | None
    less: Paired | None

    @property
    def verdict(self) -> str:
        """What is told of the layer: one of six words.

        `automatic`, `more faithful`, `less faithful`, `not told apart`, `too few images` (below 30)
        or `blank`.

        What is less than 0.01 is not told apart: one hundredth of a confidence.
        """
        if self.place == 0:
            return "automatic"
        if self.less is None:
            return "blank"
        if self.less.n < FEW:
            return "too few images"
        if not self.less.excludes_zero or abs(self.less.difference) < _LEAST:
            return "not told apart"
        return "more faithful" if self.less.difference > 0 else "less faithful"


def compare_layers(
    model: nn.Module,
    data: Any,
    method: Any = "grad_cam_pp",
    *,
    layers: Where | Sequence[Where] | None = None,
    protocol: Protocol | str = "paper",
    limit: int | None = None,
    class_map: Any = None,
    preprocess: Any = None,
    out: str | Path | None = None,
    batch_size: int | None = None,
    progress: bool = True,
) -> list[Neighbour]:
    """Whether the automatic layer's maps are at least as faithful as those of the layers beside it.

    Each layer's maps delete and insert pixels, the same number at a time (Petsiuk et al. 2018):
    *order*, insertion less deletion, is large where the pixels a map calls important are those the
    model's confidence hangs on. Intervals are paired bootstraps over images, each of level 1 - 0.05
    / (number of layers compared): 0.95 for all together.

    - `data`: pictures, as for `evaluate`; batches must come again each time (a list, a
      `DataLoader`). `limit`, `class_map`, `preprocess`, `batch_size`, `progress`: as there.
      Pictures that cannot be used are left out, with a warning.
    - `method`: a method's name, or a function of one's own: see `explain`.
    - `layers`: those to compare, by name, module or function of the model; by default `neighbours`.
    - `out`: a folder for the rows, one for each layer; a comparison that was stopped goes on there.

    The layers come in the order of running, the automatic one with `place` 0. Raises `LayerError`
    for a name that is no layer with a grid, `MethodError` for a method that opens none,
    `ProtocolError` for a protocol that names a layer, and what `evaluate` raises.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    ... )
    >>> net = nn.Sequential(*net, nn.Flatten(), nn.Linear(4, 2))
    >>> found = compare_layers(net, [torch.rand(4, 3, 12, 12)], progress=False)
    >>> [(one.layer, one.grid, one.place, one.verdict) for one in found][1:]
    [('2', (8, 8), -1, 'too few images'), ('3', (8, 8), 0, 'automatic')]
    """
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    if protocol.layer is not None:
        raise ProtocolError(
            "Expected a protocol without a layer, which is set to each in turn; got"
            f" layer={protocol.layer!r}. Say layers=[...] for those to compare."
        )
    if not isinstance(method, str) and not callable(method):
        raise MethodError(
            f"Expected one method, by name or a function; got {method!r}. Compare them one by one."
        )
    if not any(step.cam for step in steps(method, {})):
        raise MethodError(
            f"Expected a method that opens a layer; {method!r} opens none. Take one such as"
            " 'grad_cam_pp'."
        )
    _comes_again(data)
    data = opened(data, limit)
    look = card_of(model).preprocess if preprocess is None else as_preprocess(preprocess)
    look = as_taken(look, model)
    first = _first_picture(model, data, look, protocol.axes).unsqueeze(0)
    one = _noise(like_model(supported_model(model), first), 1)
    given = Given.of(model, one, axes=protocol.axes)
    rows = neighbours(model, given) if layers is None else with_automatic(model, given, layers)
    measured: dict[_Key, Results | None] = {}
    for row, place in sorted(
        rows, key=lambda one: one[1] != 0
    ):  # the automatic one first: the others are held to it
        folder = re.sub(r"[^\w.-]", "_", row.name) + ("" if row.call < 0 else f"_{row.call}")
        where = None if out is None else Path(out) / folder
        measured[row.name, row.call] = (
            None
            if place and not has_maps(model, row.name, one, method, protocol.axes)
            else evaluate(
                model,
                data,
                [method],
                "deletion,insertion",
                # Another run than its name stands for is only ever the automatic layer.
                protocol=replace(protocol, layer=row.name if row.call < 0 else None),
                out=where,
                class_map=class_map,
                preprocess=look,
                batch_size=batch_size,
                views=0,
                progress=progress,
            )
        )
        _check_same_images([results for results in measured.values() if results is not None])
    return _compared(rows, measured)


def has_maps(
    model: nn.Module,
    layer: str,
    inputs: Tensor,
    method: str | Callable[..., Any] = "grad_cam",
    axes: str | None = None,
) -> bool:
    """Whether any of four pictures of noise like these has a map there.

    Behind the last attention of a ViT none has.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> has_maps(net, "0", torch.rand(1, 3, 8, 8))
    True
    """
    found = explain(model, _noise(inputs, 4), layer=layer, method=method, axes=axes)
    return bool(found.coarse.any())


def advice(found: Sequence[Neighbour]) -> str:
    """What a comparison says to do, in a sentence or two.

    >>> same = Neighbour(
    ...     "layer3", 64, (8, 8), -4, Interval(0.3, 0.2, 0.4, 9), Paired(0.1, -0.1, 0.3, 0.4, 9)
    ... )
    >>> advice([same, Neighbour("layer4", 64, (8, 8), 0, Interval(0.2, 0.1, 0.3, 9), None)])
    'layer4 stays: 9 images are too few to tell. Give 30 or more.'
    """
    automatic = next(one for one in found if one.place == 0)
    images = automatic.order.n if automatic.order else 0
    on = f"{images} image{'s' if images != 1 else ''}"
    better = [one for one in found if one.verdict == "more faithful"]
    if better:
        best = max(better, key=lambda one: one.less.difference if one.less else 0.0)
        return (
            f"{best.layer} is more faithful on these {on}: name it, layer={best.layer!r}. It is the"
            f" best of {len(found)} on these; other images tell whether it stays so."
        )
    if images < FEW:
        return (
            f"{automatic.layer} stays: {on} {'is' if images == 1 else 'are'} too few to tell. Give"
            f" {FEW} or more."
        )
    if max(abs(one.order.estimate) for one in found if one.order) < _LEAST:
        return (
            "Nothing can be told: whatever pixels are taken away, the confidence stays as it is on"
            f" these {on}. Has the model its weights?"
        )
    return f"{automatic.layer} stays: nothing beside it is shown to be more faithful on {on}."


def _noise(inputs: Tensor, count: int) -> Tensor:
    """So many pictures of noise like these: a network's layers do not follow from a picture."""
    return noise((count, *inputs.shape[1:]), inputs)


def _comes_again(data: Any) -> None:
    """Raise `DataError` for what cannot be gone through once for each layer."""
    if isinstance(data, Iterator | Tensor) or not isinstance(data, Iterable | Path):
        came = (
            "a tensor, which is one batch: [tensor]"
            if isinstance(data, Tensor)
            else type(data).__name__
        )
        came = "an iterator, which comes once: list(...)" if isinstance(data, Iterator) else came
        raise DataError(
            f"Expected a data set, or batches that come again for each layer; got {came}."
        )


def _first_picture(model: nn.Module, data: Any, preprocess: Preprocess, axes: str | None) -> Tensor:
    """The first picture that can be used, as the model takes it."""
    items = source_of(data, preprocess, axes=axes).items()
    found: Tensor | None = next((item.inputs for item in items if item.inputs is not None), None)
    if found is None:
        raise DataError(
            "Expected at least one picture that can be read; there is none. Look at the data set."
        )
    taken = [
        (axes, words)
        for one in model.modules()
        for axes, (kind, words) in enumerate(_TAKEN, 1)
        if isinstance(one, kind)
    ]
    if taken and taken[0][0] != found.ndim - 1:
        raise DataError(
            f"Expected {taken[0][1]}, as the model's first convolution takes them; got"
            f" {list(found.shape)}. Give it what it was trained on."
        )
    return found


def _check_same_images(measured: Sequence[Results]) -> None:
    """Whether the last layer's rows are about the first one's images, and which are of no use."""
    first, last = measured[0], measured[-1]
    if first.column("source") != last.column("source"):
        raise DataError(
            "Expected the same images in the same order for each layer; other ones came (a loader"
            " that shuffles or augments). Switch that off."
        )
    if len(measured) > 1:
        return
    lost = [
        (name, why) for name, why in zip(first.column("image"), _faults(first), strict=True) if why
    ]
    if len(lost) == len(first):
        raise DataError(
            f"Expected images that can be measured; none can. {lost[0][0]}: {lost[0][1]}"
        )
    if lost:
        words = f"{len(lost)} of {len(first)} images are left out. {lost[0][0]}: {lost[0][1]}"
        warnings.warn(words, stacklevel=3)


def _faults(rows: Results) -> list[str]:
    """For each image why it has no figure; nothing where it has one."""
    words = zip(
        rows.column("error"), rows.column("message"), np.isfinite(_order(rows)), strict=True
    )
    return [
        "" if usable else error or message or "no number came out"
        for error, message, usable in words
    ]


def _compared(
    rows: Sequence[tuple[Candidate, int]], measured: dict[_Key, Results | None]
) -> list[Neighbour]:
    """The rows of each layer against those of the automatic one."""
    orders = {key: None if one is None else _order(one) for key, one in measured.items()}
    chosen = next((row.name, row.call) for row, place in rows if place == 0)
    own, level = (
        orders[chosen],
        1 - 0.05 / max(1, sum(one is not None for one in orders.values()) - 1),
    )
    found = []
    for row, place in rows:
        order = orders[row.name, row.call]
        less = None
        if place and order is not None and own is not None:
            less = paired(mean, order, own, level=level)
        figure = None if order is None else bootstrap(mean, order)
        found.append(Neighbour(row.name, row.channels, row.grid.size, place, figure, less))
    return found


def _order(rows: Results) -> Values:
    """Insertion less deletion, one number an image; nan for one that could not be used."""
    if "insertion" not in rows.rows.column_names:  # none could
        return np.full(len(rows), np.nan)
    inserted, deleted = (np.asarray(rows.column(word), float) for word in ("insertion", "deletion"))
    order: Values = inserted - deleted
    return order
