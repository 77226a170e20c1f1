"""Items from batches of one's own: a `DataLoader`, a list, a generator; alone or with labels."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.errors import DataError
from sightline.evaluation.items import Item, ItemBatch, thumbnail
from sightline.maps.seen_through import channel_axis
from sightline.metrics.areas import box_words, misshapen
from sightline.protocol import twelve_letters
from sightline.types import Preprocess

_IMAGES = ("inputs", "images", "image", "pixel_values", "x")
_LABELS = ("labels", "label", "targets", "target", "y")


def from_batches(batches: Iterable[Any], preprocess: Preprocess, views: int) -> Iterator[ItemBatch]:
    """Items from anything that yields batches; each batch is a part of the results by itself.

    A batch is a tensor `[b, c, *s]` ready for the model; a pair of it and labels `[b]`; or a
    mapping with the images under `images` (or `inputs`, `image`, `pixel_values`), and, where known,
    `labels`, `boxes` (for each image a tensor `[n, 4]` in pixels of the view, of the label's class,
    or None), `masks` (of the images' size, true where the object is, or None) and `names`. Boxes of
    a signal are `[n, 2]`, start and end, of a volume `[n, 6]`: see `types.Boxes`. An annotation of
    another shape is its image's error. Raises `DataError` for anything else.
    """
    number = 0
    for part, batch in enumerate(batches):
        known = _named_parts(batch)
        items = [
            _item(known, i, number + i, preprocess, views) for i in range(len(known["images"]))
        ]
        number += len(items)
        yield ItemBatch(part, items, last=True)


def _item(
    known: Mapping[str, Any], i: int, number: int, preprocess: Preprocess, views: int
) -> Item:
    label = int(known["labels"][i]) if known.get("labels") is not None else None
    inputs = known["images"][i]
    truth: dict[str, Any] = {}
    error = None
    if label is not None and known.get("boxes") is not None and known["boxes"][i] is not None:
        boxes = torch.as_tensor(known["boxes"][i], device="cpu").float()
        if (error := _boxes_fault(boxes, inputs.ndim - 1)) is None:
            boxes = boxes.view(-1, 2 * (inputs.ndim - 1))
            truth |= {"boxes": {label: boxes}, "annotated": True}
    if label is not None and known.get("masks") is not None and known["masks"][i] is not None:
        mask = torch.as_tensor(known["masks"][i], device="cpu").bool()
        error = error or _mask_fault(mask, inputs)
        truth["masks"] = {label: mask}
    return Item(
        number=number,
        name=str(known["names"][i]) if "names" in known else f"image {number}",
        inputs=inputs,
        source=pixels_digest(inputs),
        error=error,
        label=label,
        label_name=None if label is None else str(label),
        view=thumbnail(inputs.cpu(), preprocess, views) if views else None,
        **truth,
    )


def pixels_digest(inputs: Tensor) -> str:
    """Twelve letters that name an image's numbers: a run that goes on compares them."""
    numbers = inputs.detach().cpu().float().contiguous().numpy()
    return twelve_letters([numbers.tobytes()])


def _boxes_fault(boxes: Tensor, axes: int) -> str | None:
    """What is wrong with an image's boxes, in a space of so many axes."""
    if (fault := misshapen(boxes, axes)) is not None:
        return fault
    for one in boxes.view(-1, 2 * axes).tolist():
        if not all(low < high for low, high in zip(one[:axes], one[axes:], strict=True)):
            return f"Expected boxes {box_words(axes)}; got {one}. Mend the annotation."
    return None


def _mask_fault(mask: Tensor, inputs: Tensor) -> str | None:
    if channel_axis(inputs.unsqueeze(0), mask.shape) is not None:
        return None
    return (
        f"Expected a mask of the image's size {list(inputs.shape[1:])}, without channels; got the"
        f" shape {list(mask.shape)}. Make one number for each place of what the model sees."
    )


def _named_parts(batch: Any) -> dict[str, Any]:
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
