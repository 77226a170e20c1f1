"""Measure how far explanations can be trusted, over a data set: explain, measure, keep, read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn

from sightline.errors import DataError
from sightline.evaluation.fingerprint import identity
from sightline.evaluation.progress import reporting
from sightline.evaluation.quantities import check_measurable, told
from sightline.evaluation.rows import Measurer
from sightline.evaluation.sources import Division, check_same, opened, source_of
from sightline.evaluation.store import MemoryStore, Results, Store
from sightline.evaluation.validate import validated
from sightline.explanation.batch_size import AdaptiveBatches
from sightline.explanation.inputs import as_taken
from sightline.images import as_preprocess
from sightline.models import card_of
from sightline.protocol import Protocol, preset
from sightline.surgery import supported_model


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
    class_map: Mapping[str, Any] | str | Path | None = None,
    preprocess: Any = None,
    outputs: Literal["softmax", "sigmoid", "probability", "value"] | None = None,
    target: Any = None,
    limit: int | None = None,
    views: int = 128,
    progress: bool | Callable[[int], None] = True,
) -> Results:
    """Explain every image by every method and measure the maps: a row for each image and method.

    - `data`: a folder or file `datasets.open_data` knows (image folder, VOC, COCO, Parquet, CIFAR,
      ImageNet), a `Data`, or any iterable of batches, a torch `DataLoader` for one: see
      `batches.from_batches`.
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
    - `class_map` says which class of the model a class of the data is, where their names do not.
    - `preprocess` says how pictures of a data set are prepared, and how batches are shown and
      masked, where the model's card does not: as in `explain`.
    - `outputs` says what the model's outputs are, as its card or the protocol can: `"value"` that
      they are a quantity and no score of a class (then the value itself is measured, by the metrics
      that have a meaning for one), `"probability"` that they are probabilities already.
    - `target` is a question of one's own in the place of classes: a function of the outputs that
      gives one score an image, a `Region`, a `Similarity`. Its score is measured as a quantity is.
    - `views` is the size of the thumbnails kept for the report (0: none).

    A record that cannot be used becomes a row with its error. Raises `SightlineError`s for what
    would strike all.

    >>> import torch
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
    request = validated(methods, metrics, shard, out, target)
    model = supported_model(model)
    batch_size = batch_size or (4 if _on_cpu(model) else 32)
    division = Division(part_size, batch_size, shard, workers)
    card = card_of(model)
    protocol = told(protocol, outputs if target is None else "value", card.outputs)
    look = as_taken(card.preprocess if preprocess is None else as_preprocess(preprocess), model)
    check_measurable(request.metrics, protocol)
    source = source_of(
        opened(data, limit), look, division, protocol.explained, views, protocol.axes
    )
    if target is None:
        source.match_classes(model, request.metrics, protocol, class_map)
    run = identity(
        model,
        source.describe(),
        request,
        protocol,
        batch_size=batch_size,
        part_size=part_size,
        classes=class_map,
        notes=source.notes(),
    )
    store = MemoryStore(run) if out is None else Store(Path(out), run)
    done = store.done()
    measurer = Measurer(
        model, request, protocol, batch_size, AdaptiveBatches(source.batch_size), look
    )
    rows: list[dict[str, Any]] = []
    thumbnails: list[dict[str, Any]] = []
    with reporting(progress, source.length(done), source.unit) as report:
        for batch in source.batches(done):
            if batch.part in done:
                check_same(batch, store)
                report(0)
                continue
            rows += measurer.rows(batch.items)
            thumbnails += batch.thumbnails()
            if batch.last:
                store.note(measurer.notes)
                store.write(batch.part, rows, thumbnails)
                rows, thumbnails = [], []
            report(len(batch.items))
    results = store.read()
    if not len(results) and (out is None or not source.sized):  # a shard may have nothing to do
        raise DataError(
            "Expected at least one batch of images; got none. Is the generator spent, the loader"
            " empty?"
        )
    return results


def _on_cpu(model: nn.Module) -> bool:
    return next((p.device.type for p in model.parameters()), "cpu") == "cpu"
