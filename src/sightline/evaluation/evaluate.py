"""Measure how far explanations can be trusted, over a data set: explain -> measure -> metrics ->
rows.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.datasets import Data, match, open_data
from sightline.datasets.data import spread
from sightline.errors import DataError
from sightline.evaluation import store
from sightline.evaluation.fingerprint import identity
from sightline.evaluation.items import Batch, DataFeed, Item, from_batches
from sightline.evaluation.rows import rows_of
from sightline.evaluation.store import Results, Store
from sightline.evaluation.validate import needs_truth, validated
from sightline.explanation.batch_size import AdaptiveBatches
from sightline.explanation.inputs import like_model
from sightline.metrics import Metric
from sightline.models import card_of
from sightline.protocol import Protocol, preset
from sightline.surgery import look, supported_model
from sightline.targets import logits


def evaluate(
    model: nn.Module,
    data: Any,
    methods: str | Sequence[Any] = ("grad_cam_pp",),
    metrics: str | Sequence[Any] = ("faithfulness",),
    *,
    protocol: Protocol | str = "paper",
    out: str | Path | None = None,
    batch_size: int | None = None,
    part_size: int = 32,
    workers: int = 0,
    shard: tuple[int, int] = (1, 1),
    classes: Mapping[str, Any] | str | Path | None = None,
    limit: int | None = None,
    views: int = 128,
    progress: bool | Callable[[int], None] = True,
) -> Results:
    """Explain every image by every method and measure the maps: a row for each image and method.

    - `data`: a folder or file `datasets.open_data` knows (image folder, VOC, COCO, Parquet, CIFAR,
      ImageNet), a `Data`, or any iterable of batches, a torch `DataLoader` for one: see
      `feed.from_batches`.
    - `methods`: names for `explain`, functions, and controls (`fake_cam`, `random`, `centre`,
      `edge`).
    - `metrics`: names, or groups: `faithfulness`, `curves`, `road`, `adcc`, `localisation`,
      `sanity`, `all`.
    - `protocol`: a `Protocol`, or a preset's name.
    - `out`: a folder to write into as it goes. A run that was stopped goes on where it was, without
      losing or doubling a row; the finished rows can be summarised without the model.
    - `batch_size` images of a data set are shown at once: 4 on a CPU, where more are slower, and 32
      elsewhere, if it is left out. Where memory runs out it goes on with half as many.
    - `part_size` images of a data set are written at once: what is lost at most when a run is
      killed. A batch never reaches into another part.
    - `shard=(2, 4)` does the second quarter of the parts; `store.read` puts the shards' folders
      together.
    - `classes` says which class of the model a class of the data is, where their names do not.
    - `views` is the size of the thumbnails kept for the report (0: none).

    A record that cannot be used becomes a row with its error. Raises `SightlineError`s for what
    would strike all.

    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ... )
    >>> found = evaluate(
    ...     net, [torch.rand(2, 3, 8, 8)], ["grad_cam", "fake_cam"], "average_drop", progress=False
    ... )
    >>> len(found), found.column("method")
    (4, ['grad_cam', 'fake_cam', 'grad_cam', 'fake_cam'])
    """
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    known = validated(methods, metrics, shard, out)
    model = supported_model(model)
    on_cpu = next((p.device.type for p in model.parameters()), "cpu") == "cpu"
    together = batch_size or (4 if on_cpu else 32)
    feed = _feed(model, data, protocol, known.metrics, classes, limit, views)
    run = identity(
        model,
        feed,
        known.names,
        known.controls,
        known.metrics,
        protocol,
        together,
        part_size,
        classes,
        known.functions,
    )
    keeper = Store(Path(out), run) if out is not None else None
    done = keeper.done() if keeper else set()
    rows: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    count: int | None = None
    todo = _open(feed, part_size, done, shard)
    room = AdaptiveBatches(together if isinstance(feed, DataFeed) else sys.maxsize)

    def measured(items: Sequence[Item]) -> list[dict[str, Any]]:
        return rows_of(
            model,
            items,
            methods=known.methods,
            names=known.names,
            controls=known.controls,
            metrics=known.metrics,
            protocol=protocol,
            outputs=count or 0,
            together=min(together, room.size),
        )

    with _bar(progress, _length(data, feed, part_size, todo)) as tick:
        for batch in _batches(feed, todo, shard, part_size, together, workers):
            if batch.part in done:
                _same(batch, keeper)
                tick(0 if callable(progress) else 1)
                continue
            count = count or _outputs(model, batch.items)
            for found in room.through(batch.items, measured):
                rows += found
            pictures += [
                {"item": item.number, "jpeg": item.view}
                for item in batch.items
                if item.view is not None
            ]
            if keeper and batch.last:
                keeper.write(batch.part, rows, pictures)
                rows, pictures = [], []
            tick(len(batch.items) if isinstance(feed, DataFeed) or callable(progress) else 1)
    if out is not None and (rows_kept := store.read(out)).rows.num_rows:
        return rows_kept
    if out is None and rows:
        return Results(run, store.table(rows), store.views_table(pictures))
    if isinstance(feed, DataFeed) and out is not None:
        return store.read(out)  # a shard that has nothing to do
    raise DataError(
        "Expected at least one batch of images; got none. Is the generator spent, the loader empty?"
    )


def _feed(
    model: nn.Module,
    data: Any,
    protocol: Protocol,
    metrics: Sequence[Metric],
    classes: Any,
    limit: int | None,
    views: int,
) -> Any:
    """Where the images come from: a data set with its classes found among the model's, or batches
    as they come.
    """
    card = card_of(model)
    if isinstance(data, str | Path):
        data = open_data(data)
    if isinstance(data, Data):
        data = replace(data, records=spread(data.records, limit))
    else:
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
        return from_batches(data, card.preprocess, views)
    feed = DataFeed(data, card.preprocess, protocol.explained, views)
    truth = needs_truth(data, metrics, protocol)
    if data.classes is not None:
        try:
            feed.numbers = match(
                data.classes,
                card.classes,
                mapping=classes,
                aliases=data.aliases,
                count=_outputs(model, feed),
            )
        except DataError:
            if truth or classes is not None:
                raise  # else nothing that was asked for needs the classes
    return feed


def _open(feed: Any, size: int, done: set[int], shard: tuple[int, int]) -> list[int]:
    """The parts of a data set that are this shard's and not done yet; of batches nobody knows how
    many there are.
    """
    which, of = shard
    parts = range(-(-len(feed) // size)) if isinstance(feed, DataFeed) else ()
    return [part for part in parts if part % of == which - 1 and part not in done]


def _batches(
    feed: Any, todo: Sequence[int], shard: tuple[int, int], size: int, batch: int, workers: int
) -> Iterator[Batch]:
    """What this shard still has to do, and of batches also what it has done: they have to come past
    anyhow.
    """
    if isinstance(feed, DataFeed):
        yield from feed.batches(todo, size, batch, workers)
    else:
        yield from (one for one in feed if one.part % shard[1] == shard[0] - 1)


def _same(batch: Batch, keeper: Store | None) -> None:
    """Whether batches that were measured before are the same that come now."""
    if keeper is not None and keeper.sources(batch.part) != {
        item.number: item.source for item in batch.items
    }:
        raise DataError(
            f"Expected the batches that {keeper.folder} was made of, to go on with; batch"
            f" {batch.part} holds other images now (a loader that shuffles gives others each time)."
            " Take another folder, or the same order."
        )


def _outputs(model: nn.Module, items: Iterable[Item]) -> int | None:
    """How many classes the model has: those its card names, else by its word on one picture."""
    names = card_of(model).classes
    if names is not None:
        return max(2, len(names))
    for item in islice(items, 100):
        if item.inputs is not None:
            return max(2, logits(look(model, like_model(model, item.inputs.unsqueeze(0)))).shape[1])
    return None


def _length(data: Any, feed: Any, size: int, todo: Sequence[int]) -> int | None:
    """How far the bar has to go: the images of a data set, the batches of a loader; None where
    nobody knows.
    """
    if isinstance(feed, DataFeed):
        return sum(min(size, len(feed) - part * size) for part in todo)
    try:
        return len(data)
    except TypeError:
        return None


def _bar(
    progress: bool | Callable[[int], None], length: int | None
) -> AbstractContextManager[Callable[[int], None]]:
    if callable(progress):
        return nullcontext(progress)
    return nullcontext(lambda _: None) if not progress or length is None else _Bar(length)


class _Bar:
    def __init__(self, length: int) -> None:
        import click

        self.bar: Any = click.progressbar(length=length, label="Measuring", show_pos=True)

    def __enter__(self) -> Callable[[int], None]:
        self.bar.__enter__()
        return lambda n: self.bar.update(n)

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)
