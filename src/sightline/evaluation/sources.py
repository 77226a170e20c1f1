"""Where a run's images come from: a data set, or batches as they come; and how each is divided."""

import logging
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.datasets import Data, match, open_data
from sightline.datasets.data import evenly
from sightline.errors import DataError, TargetError
from sightline.evaluation.batches import from_batches
from sightline.evaluation.fingerprint import records_digest
from sightline.evaluation.items import DatasetItems, Item, ItemBatch
from sightline.evaluation.store import MemoryStore, Store
from sightline.evaluation.validate import needs_truth
from sightline.explanation.inputs import like_model
from sightline.images import assumption
from sightline.metrics import Metric
from sightline.models import card_of
from sightline.protocol import Protocol
from sightline.surgery import look
from sightline.targets.class_maps import dense, is_segmentation
from sightline.targets.model_outputs import class_rows
from sightline.targets.quantity import quantities_meant
from sightline.types import Preprocess

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Division:
    """How a run is cut up: `shard` k of n, parts written at once, batches the model is shown."""

    part_size: int = 32
    batch_size: int = 4
    shard: tuple[int, int] = (1, 1)
    workers: int = 0

    def has(self, part: int) -> bool:
        """Whether this shard's images stand in that part.

        >>> [part for part in range(6) if Division(shard=(2, 3)).has(part)]
        [1, 4]
        """
        which, of = self.shard
        return part % of == which - 1


@typing.runtime_checkable
class Source(typing.Protocol):
    """What `evaluate` has to know of where its images come from."""

    unit: str
    """What a progress bar counts: "image" or "batch"."""

    batch_size: int
    """As many items come together at most; what is larger is cut by `AdaptiveBatches`."""

    sized: bool
    """Whether the parts are known beforehand, so that a shard may turn out to have none."""

    def describe(self) -> dict[str, Any]:
        """What `run.json` says of the data."""
        ...

    def notes(self) -> list[str]:
        """What a reader of the figures should know of it."""
        ...

    def items(self) -> Iterable[Item]:
        """All items, one after another; for batches that come once it uses them up."""
        ...

    def match_classes(
        self,
        model: nn.Module,
        metrics: Sequence[Metric],
        protocol: Protocol,
        classes: Mapping[str, Any] | str | Path | None,
    ) -> None:
        """Find the data's classes among the model's, where they have names."""
        ...

    def length(self, done: AbstractSet[int]) -> int | None:
        """How many units there are to come; None where nobody knows."""
        ...

    def batches(self, done: AbstractSet[int]) -> Iterator[ItemBatch]:
        """This shard's batches; those of parts that are `done` only where they must come past."""
        ...


class DatasetSource:
    """A data set on disk: its parts are known, and what is done is not read again."""

    unit, sized = "image", True

    def __init__(self, items: DatasetItems, division: Division) -> None:
        self._items, self._division = items, division
        self.batch_size = division.batch_size

    def describe(self) -> dict[str, Any]:
        """Name, kind, path, number of items, a digest of the records, how they are prepared."""
        data = self._items.data
        return {
            "name": data.name,
            "kind": data.kind,
            "path": str(data.path),
            "items": len(self._items),
            "records": records_digest(data),
            "preprocess": self._items.preprocess.as_dict(),
        }

    def notes(self) -> list[str]:
        """What was assumed of how its pictures are prepared."""
        told = assumption(self._items.preprocess)
        return [] if told is None else [told]

    def items(self) -> Iterable[Item]:
        """Every item, read when it is reached."""
        return self._items

    def match_classes(
        self,
        model: nn.Module,
        metrics: Sequence[Metric],
        protocol: Protocol,
        classes: Mapping[str, Any] | str | Path | None,
    ) -> None:
        """Find them, or raise `DataError` where something that was asked for needs them."""
        data = self._items.data
        truth = needs_truth(data, metrics, protocol)
        if data.classes is None:
            return
        try:
            self._items.class_numbers = match(
                data.classes,
                card_of(model).classes,
                mapping=classes,
                aliases=data.aliases,
                count=output_count(model, self._items, protocol),
            )
        except DataError as error:
            if truth or classes is not None:
                raise
            logger.debug("the data's classes are not needed, and are not the model's: %s", error)

    def length(self, done: AbstractSet[int]) -> int:
        """The number of images to measure."""
        size = self._division.part_size
        return sum(min(size, len(self._items) - part * size) for part in self._parts(done))

    def batches(self, done: AbstractSet[int]) -> Iterator[ItemBatch]:
        """The batches of the parts to do, read by the workers."""
        cut = self._division
        return self._items.batches(self._parts(done), cut.part_size, cut.batch_size, cut.workers)

    def _parts(self, done: AbstractSet[int]) -> list[int]:
        parts = range(-(-len(self._items) // self._division.part_size))
        return [part for part in parts if self._division.has(part) and part not in done]


class BatchSource:
    """Batches as they come, each a part: nobody knows how many, and all have to come past."""

    unit, sized = "batch", False
    batch_size = sys.maxsize

    def __init__(
        self, data: Iterable[Any], division: Division, preprocess: Preprocess, views: int
    ) -> None:
        self._data, self._division = data, division
        self._preprocess, self._views = preprocess, views

    def describe(self) -> dict[str, Any]:
        """That they are batches; what is in them is known when they have come."""
        return {"name": "batches", "kind": "batches", "path": None, "items": None}

    def notes(self) -> list[str]:
        """None: what comes is ready for the model."""
        return []

    def items(self) -> Iterable[Item]:
        """The items of each batch that comes."""
        for batch in from_batches(self._data, self._preprocess, self._views):
            yield from batch.items

    def match_classes(
        self,
        model: nn.Module,
        metrics: Sequence[Metric],
        protocol: Protocol,
        classes: Mapping[str, Any] | str | Path | None,
    ) -> None:
        """Their labels are the model's numbers: there is nothing to find."""

    def length(self, done: AbstractSet[int]) -> int | None:
        """The number of batches of a loader or a list; a generator does not say."""
        try:
            # an Iterable need not have a length: that is what is asked here
            return len(self._data)  # type: ignore[arg-type]
        except TypeError:
            return None

    def batches(self, done: AbstractSet[int]) -> Iterator[ItemBatch]:
        """This shard's batches, also those that are done: they have to come past anyhow."""
        every = from_batches(self._data, self._preprocess, self._views)
        return (batch for batch in every if self._division.has(batch.part))


def source_of(
    data: Data | Iterable[Any],
    preprocess: Preprocess,
    division: Division | None = None,
    explained: str = "predicted",
    views: int = 0,
    axes: Any = None,
) -> Source:
    """What `opened` has made of the caller's data, as a source.

    `axes` is the order that pictures of a data set are turned into; batches come in it.
    """
    division = division or Division()
    if isinstance(data, Data):
        return DatasetSource(DatasetItems(data, preprocess, explained, views, axes), division)
    return BatchSource(data, division, preprocess, views)


def opened(data: Any, limit: int | None) -> Data | Iterable[Any]:
    """A data set, opened and cut to `limit` records, or an iterable of batches as it is.

    Raises `DataError` for anything else, and for a limit where there are no records to choose from.
    """
    if isinstance(data, str | Path):
        data = open_data(data)
    if isinstance(data, Data):
        return replace(data, records=evenly(data.records, limit))
    if not isinstance(data, Iterable) or isinstance(data, torch.Tensor):
        raise DataError(
            f"Expected a data set's path or an iterable of batches; got {type(data).__name__}. "
            "A tensor is one batch: [tensor]."
        )
    if limit is not None:
        raise DataError(
            f"Expected limit={limit} with a data set; batches of one's own have no records to"
            " choose from. Cut them: list(itertools.islice(loader, 10))."
        )
    return data


def check_same(batch: ItemBatch, store: Store | MemoryStore) -> None:
    """Raise `DataError` where a batch that is done holds other images now than it held then."""
    if store.sources(batch.part) != {item.number: item.source for item in batch.items}:
        raise DataError(
            f"Expected the batches that {store.folder} was made of, to go on with; batch"
            f" {batch.part} holds other images now (a loader that shuffles gives others each time)."
            " Take another folder, or the same order."
        )


def output_count(
    model: nn.Module, items: Iterable[Item], protocol: Protocol | None = None
) -> int | None:
    """How many classes the model has: those its card names, else those it answers an image with.

    Raises `TargetError` for answers that cannot be measured: class maps, several quantities.
    """
    card = card_of(model)
    for item in islice(items, 100):
        if item.inputs is not None:
            outputs = look(model, like_model(model, item.inputs.unsqueeze(0)))
            kind = (protocol.outputs if protocol is not None else None) or card.outputs
            count = answers(outputs, kind, card.classes, item.inputs.shape[1:])
            return max(2, count if card.classes is None else len(card.classes))
    return None if card.classes is None else max(2, len(card.classes))


def answers(
    outputs: Any, kind: str, classes: Sequence[str] | None, size: Sequence[int] | None
) -> int:
    """How many classes, or quantities, there are in what a model answers an image with."""
    if kind == "value":
        try:
            return quantities_meant(None, outputs, classes).indices.shape[1]
        except TargetError as error:
            raise TargetError(
                "Expected a model with one quantity to measure; its outputs hold several. Evaluate"
                " a module that returns one of them, `[b, 1]`: model(x)[:, 2:3]."
            ) from error
    if is_segmentation(outputs, size, classes):
        raise TargetError(
            "Expected a classifier to measure, with a confidence in a class; the model's outputs"
            f" {list(dense(outputs).shape)} are a segmentation. Evaluate a module that answers with"
            " a number for each class, [b, k], as the mean over the picture:"
            " nn.Sequential(model, nn.AdaptiveAvgPool2d(1), nn.Flatten()). explain() takes it as it"
            " is: target=sightline.Region(1)."
        )
    return class_rows(outputs, classes, images=1)[0].shape[1]
