"""One record of a data set: a picture that is still closed, and what is known about it."""

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

Number = int | float


@runtime_checkable
class Mask(Protocol):
    """A mask that is drawn when it is wanted.

    It is small, and picklable for the workers that load pictures.
    """

    def draw(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """The pixels, `[height, width]` of the photograph.

        Raises `DataError` where they cannot be had.
        """
        ...


@dataclass(frozen=True)
class Object:
    """One annotated object: its class, and where it is in pixels of the upright photograph.

    `name` is the class as the data set calls it; `box` is `(left, top, right, bottom)`, right and
    bottom exclusive, counted from 0; `mask` says which pixels are its own, `[height, width]` of the
    photograph, where that is known: an array, or a `Mask` that is drawn when `pixels` is called.
    `difficult` objects (VOC's) and `crowd`s (COCO's, a group in one region) are left out of counts.

    >>> (
    ...     Object("dog", (10, 20, 30, 25.5)).counts,
    ...     Object("dog", (10, 20, 30, 25.5), crowd=True).counts,
    ... )
    (True, False)
    """

    name: str
    box: tuple[Number, Number, Number, Number]
    mask: "np.ndarray[Any, np.dtype[np.bool_]] | Mask | None" = field(
        default=None, repr=False, compare=False
    )
    difficult: bool = False
    crowd: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is one object that a reader of the picture is expected to find."""
        return not (self.difficult or self.crowd)

    def pixels(self) -> "np.ndarray[Any, np.dtype[np.bool_]] | None":
        """The mask as an array `[height, width]`; None where it is not known.

        Raises `DataError` when a mask that is drawn late turns out to be broken.
        """
        return self.mask.draw() if isinstance(self.mask, Mask) else self.mask


@dataclass(frozen=True)
class Record:
    """A picture and what is known about it, before anything is opened.

    `picture` is anything `images.read` takes: a path, bytes, an array, or a small object with
    `read()` for a picture inside a larger file. `name` tells it apart from others in the same data
    set. `labels` are its classes as the data set calls them (one for a classification set, several
    for VOC and COCO; empty where nothing is known). `objects` mean something where `annotated` is
    true: then what is not among them is not in the picture. `tags` name subsets it belongs to, for
    breakdowns. `size` is the `(width, height)` that the annotation speaks of, where it says so.
    `error` says what is wrong with a record that cannot be used: it still counts, as a row with its
    error.
    """

    name: str
    picture: Any
    labels: tuple[str, ...] = ()
    objects: tuple[Object, ...] = ()
    annotated: bool = False
    tags: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Placement:
    """Where a photograph's pixels went in the model's view: scaled, then shifted.

    `photo` is the upright photograph's `(width, height)`, `resized` its size after resizing,
    `offset` the `(left, top)` of the crop in the resized picture (negative where the crop reaches
    beyond it), `view` the crop's `(width, height)`.
    """

    photo: tuple[int, int]
    resized: tuple[int, int]
    offset: tuple[int, int]
    view: tuple[int, int]
