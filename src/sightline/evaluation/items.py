"""The items of a run: one an image, read from a data set by workers, with what is known of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from sightline.datasets import Data, Placement, load
from sightline.errors import SightlineError
from sightline.explanation.inputs import turned
from sightline.images import seen
from sightline.types import Preprocess


@dataclass(frozen=True, eq=False)
class Item:
    """One image of a run, ready to be measured, or with the `error` that keeps it from being."""

    number: int
    name: str
    source: str = ""
    tags: tuple[str, ...] = ()
    label: int | None = None
    label_name: str | None = None
    inputs: Tensor | None = None
    boxes: Mapping[int, Tensor] = field(default_factory=dict)
    masks: Mapping[int, Tensor] = field(default_factory=dict)
    annotated: bool = False
    placement: Placement | None = None
    view: bytes | None = None
    error: str | None = None


@dataclass(frozen=True)
class ItemBatch:
    """Items that are measured together: they belong to a part of the results, may be its `last`."""

    part: int
    items: list[Item]
    last: bool

    def thumbnails(self) -> list[dict[str, Any]]:
        """What the model sees of its images, a row each that has one."""
        return [
            {"item": one.number, "jpeg": one.view} for one in self.items if one.view is not None
        ]


class DatasetItems(torch.utils.data.Dataset[Item]):
    """The items of a data set: one an image, or one an image and class where given ones count.

    `class_numbers` says which of the model's classes a class of the data set is; a class that is
    not there is none of them. `views` is the longest side of a thumbnail in pixels (0: none);
    `axes` is the order in which the model takes a picture's axes, where that was said.
    """

    def __init__(
        self,
        data: Data,
        preprocess: Preprocess,
        explained: str = "predicted",
        views: int = 0,
        axes: Any = None,
    ) -> None:
        self.data, self.preprocess, self.views, self.axes = data, preprocess, views, axes
        self.class_numbers: Mapping[str, int | None] = {}
        self.plan: list[tuple[int, str | None]] = [(index, None) for index in range(len(data))]
        if explained == "given":
            self.plan = [
                (i, label) for i, record in enumerate(data) for label in record.labels or (None,)
            ]

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, number: int) -> Item:
        """One item, read and prepared.

        What cannot be used comes back with its error: a run goes on.
        """
        index, label = self.plan[number]
        record = self.data[index]
        if label is None and len(record.labels) == 1:
            label = record.labels[0]
        known: dict[str, Any] = {
            "number": number,
            "name": record.name,
            "source": f"{self.data.path}",
            "tags": record.tags,
            "label": None if label is None else self.class_numbers.get(label),
            "label_name": label,
        }
        if record.error is not None:
            return Item(**known, error=record.error)
        try:
            view = load(record, self.preprocess)
        except (SightlineError, OSError) as error:
            return Item(**known, error=str(error))
        return Item(
            **known,
            inputs=turned(view.inputs.unsqueeze(0), self.axes)[0],
            boxes=self._by_number(view.boxes_by_name),
            masks=self._by_number(view.masks_by_name),
            annotated=record.annotated,
            placement=view.placement,
            view=thumbnail(view.inputs, self.preprocess, self.views) if self.views else None,
        )

    def __iter__(self) -> Iterator[Item]:
        return (self[number] for number in range(len(self)))

    def _by_number(self, by_name: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """By the model's classes; two names of one class are put together."""
        found: dict[int, Tensor] = {}
        for name, value in by_name.items():
            number = self.class_numbers.get(name)
            if number is None:
                continue
            other = found.get(number)
            both = torch.logical_or if value.dtype == torch.bool else lambda a, b: torch.cat([a, b])
            found[number] = value if other is None else both(other, value)
        return found

    def batches(
        self, parts: Sequence[int], part_size: int, batch_size: int, workers: int
    ) -> Iterator[ItemBatch]:
        """The items of these parts (of `part_size` items each), a batch at a time."""
        plan: list[tuple[int, range]] = []
        for part in parts:
            start, end = part * part_size, min((part + 1) * part_size, len(self))
            plan += [
                (part, range(at, min(at + batch_size, end))) for at in range(start, end, batch_size)
            ]
        loader: Any = torch.utils.data.DataLoader(
            self,
            batch_sampler=[list(numbers) for _, numbers in plan],
            num_workers=workers,
            collate_fn=list,
            generator=torch.Generator("cpu"),  # else it draws from the user's
        )
        for (part, numbers), items in zip(plan, loader, strict=True):
            last = numbers.stop in ((part + 1) * part_size, len(self))
            yield ItemBatch(part, items, last)


def thumbnail(inputs: Tensor, preprocess: Preprocess, most: int) -> bytes | None:
    """What the model saw of a picture `[3, h, w]`, as a small JPEG; None for what is no picture."""
    from PIL import Image

    if inputs.ndim != 3 or inputs.shape[0] not in (1, 3):
        return None
    statistics = preprocess.for_channels(inputs.shape[0])
    small = inputs.unsqueeze(0)
    factor = -(-max(small.shape[2:]) // most)
    if factor > 1:
        small = torch.nn.functional.avg_pool2d(small, factor, ceil_mode=True)
    pixels = (seen(small, statistics)[0] * 255).round().to(torch.uint8)
    array = pixels.permute(1, 2, 0).squeeze(2).numpy()
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
