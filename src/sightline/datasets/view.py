"""What one record looks like to the model, and what is known about it in the same pixels."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sightline.datasets.annotation import box_fault
from sightline.datasets.geometry import mask_to_view, placement, to_view
from sightline.datasets.masks import Rectangle
from sightline.datasets.record import Object, Placement, Record
from sightline.datasets.stored import Stored
from sightline.errors import DataError
from sightline.images import prepare, read
from sightline.types import Preprocess


@dataclass(frozen=True, eq=False)
class View:
    """One record as the model sees it, ready to be batched; all of it can be sent from a worker.

    Classes are named as the data set names them. A class is a key of `boxes_by_name` when the
    picture has an object of it that counts, seen or not: where the crop has cut all of them away,
    its boxes are `[0, 4]`.
    """

    name: str
    inputs: Float[Tensor, "c h w"]
    """As `images.prepare` makes it, float32."""

    placement: Placement
    """Where the photograph's pixels are in it; `geometry.to_photo` takes maps back."""

    boxes_by_name: dict[str, Tensor] = field(default_factory=dict)
    """For each class the boxes of its objects, `[n, 4]` float32, in pixels of the view, cut at its
    edges.
    """

    masks_by_name: dict[str, Tensor] = field(default_factory=dict)
    """For each class the pixels of its objects together, `[h, w]` bool; missing where one of them
    has no mask.
    """

    ignore_by_name: dict[str, Tensor] = field(default_factory=dict)
    """For each class the regions that count neither way, `[h, w]` bool: crowds, and difficult
    objects left out.
    """

    outside: dict[str, int] = field(default_factory=dict)
    """For each class how many of its objects fell outside the crop; classes without such are
    missing.
    """


def load(record: Record, preprocess: Preprocess, *, difficult: bool = False) -> View:
    """Open a record's picture, once, and bring what is known about it into the model's view.

    Objects that do not count, crowds and (unless `difficult=True`) difficult ones, are no boxes and
    no masks; their regions are in `ignore_by_name`: their own masks, or else their boxes. A record
    that is not annotated has a picture only.

    Raises `DataError` for a record with an error, an annotation made for a picture of another size
    (one that was annotated before it was turned upright, as a rule), a box or a mask that does not
    fit; `ImageError` for a picture that cannot be read.

    >>> dog = Object("dog", (10, 20, 30, 40))
    >>> record = Record(
    ...     "a",
    ...     np.zeros((50, 100, 3), dtype=np.uint8),
    ...     objects=(dog,),
    ...     annotated=True,
    ...     size=(100, 50),
    ... )
    >>> view = load(record, Preprocess(resize=25, crop=(25, 25)))  # half as large, then x from 12
    >>> view.boxes_by_name["dog"], view.inputs.shape
    (tensor([[ 0., 10.,  3., 20.]]), torch.Size([3, 25, 25]))
    """
    if record.error is not None:
        raise DataError(f"{record.name}: {record.error}")
    source = record.picture.read() if isinstance(record.picture, Stored) else record.picture
    picture = read(source, name=record.name)
    _check(record, picture)
    # what lies behind an alpha channel is white in a picture, and a number of its own where all
    # four channels count
    shown = source if preprocess.channels == 4 else picture
    inputs = prepare(shown, preprocess).inputs[0]
    place = placement(picture.size, preprocess)
    boxes, masks, ignored, outside = {}, {}, {}, {}
    for name in dict.fromkeys(one.name for one in record.objects):
        own = [one for one in record.objects if one.name == name]
        counted = [one for one in own if not one.crowd and (difficult or not one.difficult)]
        if counted:
            moved, seen = to_view(
                torch.tensor([one.box for one in counted], dtype=torch.float64, device="cpu"), place
            )
            boxes[name] = moved[seen]
            if lost := int((~seen).sum()):
                outside[name] = lost
            if all(one.mask is not None for one in counted):
                masks[name] = _union(record, counted, place)
        if len(counted) < len(own):
            ignored[name] = _union(record, (one for one in own if one not in counted), place)
    return View(record.name, inputs, place, boxes, masks, ignored, outside)


def _check(record: Record, picture: Image.Image) -> None:
    width, height = picture.size
    if record.size is not None and record.size != picture.size:
        turned = record.size == (height, width)
        why = (
            "It was annotated lying on its side, before it was turned upright"
            if turned
            else "They do not belong"
        )
        raise DataError(
            f"{record.name}: expected a picture of {record.size[0]} x {record.size[1]} pixels, as"
            f" its annotation says; came {width} x {height}. {why}{'' if turned else ' together'}:"
            " annotate this picture, or bring the other."
        )
    for one in record.objects:
        if fault := box_fault(one.box, picture.size, one.name):
            raise DataError(f"{record.name}: {fault}")


def _union(record: Record, objects: Iterable[Object], place: Placement) -> Tensor:
    """The pixels of several objects together, in the view.

    A box stands for an object without a mask.
    """
    width, height = place.photo
    together = np.zeros((height, width), dtype=bool)
    for one in objects:
        try:
            pixels = one.pixels()
        except DataError as error:
            raise DataError(f"{record.name}: the mask of a {one.name}: {error}") from error
        drawn = Rectangle(one.box, place.photo).draw() if pixels is None else pixels
        if drawn.shape != together.shape:
            raise DataError(
                f"{record.name}: expected a mask of {height} x {width} pixels (height x width) for"
                f" a {one.name}; came {' x '.join(map(str, drawn.shape))}. Bring the mask that"
                " belongs to this picture."
            )
        together |= drawn
    return mask_to_view(torch.from_numpy(together), place)
