"""Where a run's images come from: a data set on disk, read by workers, or any iterable of batches."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from sightline.datasets import Data, Placement, load
from sightline.errors import DataError, SightlineError
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
class Batch:
    """Some items that are measured together: they belong to a part of the results, and may be its
    `last`.
    """

    part: int
    items: list[Item]
    last: bool


class DataFeed(torch.utils.data.Dataset[Item]):
    """The items of a data set: one an image, or, where given classes are explained, one an image
    and class.

    `numbers` says which of the model's classes a class of the data set is; a class that is not
    there is none of them. `views` is the longest side of a thumbnail in pixels (0: none).
    """

    def __init__(
        self, data: Data, preprocess: Preprocess, explained: str = "predicted", views: int = 0
    ) -> None:
        self.data, self.preprocess, self.views = data, preprocess, views
        self.numbers: Mapping[str, int | None] = {}
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
        index, asked = self.plan[number]
        record = self.data[index]
        label = (
            asked if asked is not None else record.labels[0] if len(record.labels) == 1 else None
        )
        known: dict[str, Any] = {
            "number": number, "name": record.name, "source": f"{self.data.path}", "tags": record.tags,
            "label": None if label is None else self.numbers.get(label), "label_name": label,
        }  # fmt: skip
        if record.error is not None:
            return Item(**known, error=record.error)
        try:
            view = load(record, self.preprocess)
        except (SightlineError, OSError) as error:
            return Item(**known, error=str(error))
        return Item(
            **known,
            inputs=view.inputs,
            boxes=self._numbered(view.boxes_by_name),
            masks=self._numbered(view.masks_by_name),
            annotated=record.annotated,
            placement=view.placement,
            view=thumbnail(view.inputs, self.preprocess, self.views) if self.views else None,
        )

    def __iter__(self) -> Iterator[Item]:
        return (self[number] for number in range(len(self)))

    def _numbered(self, by_name: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """By the model's classes; two names of one class are put together."""
        found: dict[int, Tensor] = {}
        for name, value in by_name.items():
            number = self.numbers.get(name)
            if number is None:
                continue
            other = found.get(number)
            both = torch.logical_or if value.dtype == torch.bool else lambda a, b: torch.cat([a, b])
            found[number] = value if other is None else both(other, value)
        return found

    def batches(self, parts: Sequence[int], size: int, batch: int, workers: int) -> Iterator[Batch]:
        """The items of these parts (of `size` items each), a batch at a time."""
        plan = [
            (part, range(start, min(start + batch, (part + 1) * size, len(self))))
            for part in parts
            for start in range(part * size, min((part + 1) * size, len(self)), batch)
        ]
        loader: Any = torch.utils.data.DataLoader(
            self,
            batch_sampler=[list(numbers) for _, numbers in plan],
            num_workers=workers,
            collate_fn=list,
            generator=torch.Generator(),  # else it draws from the user's
        )
        for (part, numbers), items in zip(plan, loader, strict=True):
            yield Batch(part, items, last=numbers.stop in ((part + 1) * size, len(self)))


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


_IMAGES = ("inputs", "images", "image", "pixel_values", "x")
_LABELS = ("labels", "label", "targets", "target", "y")


def from_batches(batches: Iterable[Any], preprocess: Preprocess, views: int) -> Iterator[Batch]:
    """Items from anything that yields batches: a `DataLoader`, a list, a generator. Each batch is a
    part by itself.

    A batch is a tensor `[b, c, *s]` ready for the model; a pair of it and labels `[b]`; or a
    mapping with the images under `images` (or `inputs`, `image`, `pixel_values`), and, where known,
    `labels`, `boxes` (for each image a tensor `[n, 4]` in pixels of the view, of the label's class,
    or None), `masks` and `names`. Raises `DataError` for anything else.
    """
    number = 0
    for part, batch in enumerate(batches):
        known = _parts(batch)
        items = [
            _item(known, i, number + i, preprocess, views) for i in range(len(known["images"]))
        ]
        number += len(items)
        yield Batch(part, items, last=True)


def _item(
    known: Mapping[str, Any], i: int, number: int, preprocess: Preprocess, views: int
) -> Item:
    label = int(known["labels"][i]) if known.get("labels") is not None else None
    inputs = known["images"][i]
    truth: dict[str, Any] = {}
    if label is not None and known.get("boxes") is not None and known["boxes"][i] is not None:
        truth |= {
            "boxes": {label: torch.as_tensor(known["boxes"][i]).float().view(-1, 4)},
            "annotated": True,
        }
    if label is not None and known.get("masks") is not None and known["masks"][i] is not None:
        truth["masks"] = {label: torch.as_tensor(known["masks"][i]).bool()}
    return Item(
        number=number,
        name=str(known["names"][i]) if "names" in known else f"image {number}",
        inputs=inputs,
        source=pixels_digest(inputs),
        error=_boxes_fault(truth),
        label=label,
        label_name=None if label is None else str(label),
        view=thumbnail(inputs.cpu(), preprocess, views) if views else None,
        **truth,
    )


def pixels_digest(inputs: Tensor) -> str:
    """Twelve letters that name an image's numbers, so that a run that goes on can tell whether it
    is the same.
    """
    plain = inputs.detach().cpu().float().contiguous().numpy()
    return hashlib.sha256(plain.tobytes()).hexdigest()[:12]


def _boxes_fault(truth: Mapping[str, Any]) -> str | None:
    for boxes in truth.get("boxes", {}).values():
        for left, top, right, bottom in boxes.tolist():
            if not (left < right and top < bottom):
                return (
                    f"Expected boxes [left, top, right, bottom]; got {[left, top, right, bottom]}."
                    " Mend the annotation."
                )
    return None


def _parts(batch: Any) -> dict[str, Any]:
    if isinstance(batch, Mapping):
        images = next((batch[word] for word in _IMAGES if word in batch), None)
        labels = next((batch[word] for word in _LABELS if word in batch), None)
        rest = {word: batch[word] for word in ("boxes", "masks", "names") if word in batch}
    elif isinstance(batch, Tensor):
        images, labels, rest = batch, None, {}
    elif isinstance(batch, tuple | list) and batch:
        images, labels, rest = batch[0], batch[1] if len(batch) > 1 else None, {}
    else:
        images, labels, rest = None, None, {}
    if not isinstance(images, Tensor) or images.ndim < 3 or not images.is_floating_point():
        came = (
            f"a tensor {images.dtype} {list(images.shape)}"
            if isinstance(images, Tensor)
            else type(batch).__name__
        )
        raise DataError(
            "Expected batches of model-ready float tensors [b, c, *s], alone, with labels, or in a"
            f" mapping; got {came}. Yield (images, labels) or {{'images': ..., 'labels': ...,"
            " 'boxes': ...}."
        )
    words = [one for one in labels if isinstance(one, str)] if labels is not None else []
    if words:
        raise DataError(
            f"Expected labels as class numbers; got names such as {words[0]!r}. "
            "Look them up: [classes.index(name) for name in labels]."
        )
    if labels is not None and len(labels) != len(images):
        raise DataError(
            f"Expected a label for each of the {len(images)} images; got {len(labels)}. Look at the"
            " collate function."
        )
    return {"images": images, "labels": labels, **rest}
