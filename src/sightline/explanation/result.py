"""The result: maps, what they explain, how they came about, and how far to trust the picture."""

import json
import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, SupportsIndex

from PIL import Image
from torch import Tensor

from sightline.explanation import pictures
from sightline.explanation.save import save_explanation
from sightline.explanation.status import Status
from sightline.images import seen
from sightline.maps.regions import Box, boxes_above
from sightline.render import show
from sightline.targets import Target
from sightline.types import Preprocess

_TENSORS = ("maps", "coarse", "scores", "probabilities", "pixels", "inputs")
_PER_TARGET = ("maps", "coarse", "scores", "probabilities", "pixels")
_LISTS = ("targets", "status")
MOST_SHOWN = 8
"""A notebook shows this many images of a batch."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Maps of a batch of `b` images, with `n` targets each where several were asked.

    | field | is |
    |---|---|
    | `maps` | `[b, h, w]` on the input's grid, in [0, 1], maximum 1; `[b, n, h, w]` for n targets |
    | `coarse` | the signed map on the layer's own grid, `[b, *s]` or `[b, n, *s]` |
    | `pixels` | signed evidence `[b, c, h, w]` (`[b, n, c, h, w]`) of pixel methods, or None |
    | `scores` | what was explained (logits, as a rule), `[b]` or `[b, n]` |
    | `probabilities` | confidence in the targets, so too; None for a function of the outputs |
    | `targets` | class numbers and names, a list (of lists) of `Target` |
    | `layer`, `layer_reason` | the layer's name and why it was chosen |
    | `method`, `variant` | the method's name and its options |
    | `top` | for each image the model's most probable classes, `(Target, confidence)`, up to five |
    | `status` | a `Status` for each map: ok, or what is wrong; places clamped are counted |
    | `provenance` | everything needed to make it again, as plain JSON values |

    Clips and volumes have `[b, t, h, w]`, signals `[b, l]`. Indexing and iterating give the images
    one by one, as explanations of a batch of one.
    """

    maps: Tensor
    coarse: Tensor
    scores: Tensor
    probabilities: Tensor | None
    targets: list[Any]
    layer: str
    layer_reason: str
    method: str
    variant: dict[str, Any]
    status: list[Any]
    names: list[str]
    provenance: dict[str, Any]
    several: bool = False
    top: list[list[tuple[Target, float]]] = field(default_factory=list, repr=False)
    pixels: Tensor | None = None
    inputs: Tensor | None = field(default=None, repr=False)
    sources: list[Any] | None = field(default=None, repr=False)
    preprocess: Preprocess = field(default_factory=Preprocess, repr=False)

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, which: SupportsIndex | slice) -> "Explanation":
        """The explanation of one image (still a batch, of one) or of a slice of the images."""
        if not isinstance(which, slice):
            if not hasattr(which, "__index__"):
                raise TypeError(
                    f"Expected an image by number, or a slice of images; got {which!r}. Other"
                    " classes are asked for with explain(..., target=...); a list of methods gives"
                    " a dict by method."
                )
            which = operator.index(which)
            if not -len(self) <= which < len(self):
                raise IndexError(f"Expected an image from 0 to {len(self) - 1}; got {which}.")
            which = slice(which % len(self), which % len(self) + 1)
        cut = {
            name: value[which]
            for name in (*_TENSORS, "targets", "status", "names", "top", "sources")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, **cut)

    def __iter__(self) -> Iterator["Explanation"]:
        return (self[i] for i in range(len(self)))

    @property
    def images(self) -> Tensor | None:
        """The pixels the model saw, `[b, 3, h, w]` in [0, 1]; None for what is no picture."""
        if self.inputs is None or self.inputs.shape[1] not in (1, 3):
            return None
        return seen(self.inputs, self.preprocess.for_channels(self.inputs.shape[1]))

    @property
    def statistics(self) -> Preprocess:
        """What was done to the pixels: `preprocess`, for as many channels as the input has.

        Where that is for other inputs, as one for photographs is for a signal, mean 0 and std 1.
        """
        if self.inputs is None:
            return self.preprocess
        return self.preprocess.for_channels(self.inputs.shape[1], self.inputs.ndim - 2)

    def to(self, *where: Any, **options: Any) -> "Explanation":
        """All tensors moved or cast as `Tensor.to` does."""
        moved: dict[str, Any] = {
            name: value.to(*where, **options)
            for name in _TENSORS
            if isinstance(value := getattr(self, name), Tensor)
        }
        return replace(self, **moved)

    @property
    def per_target(self) -> "PerTarget":
        """The same as `[b, n, ...]` also where one target was asked, for code that takes both."""
        return per_target(self)

    def each(self) -> Iterator[tuple[int, int, Tensor, Target, Status]]:
        """Every map, with its image's and its target's number: `(i, j, map, target, status)`."""
        held = self.per_target
        for i, targets in enumerate(held.targets):
            for j, target in enumerate(targets):
                yield i, j, held.maps[i, j], target, held.status[i][j]

    def boxes(self, threshold: float = 0.15, *, largest: bool = True) -> list[list[Box]]:
        """For each map its boxes, `(left, top, right, bottom)`; right and bottom are exclusive.

        Boxes lie around what is above `threshold` of the map's maximum: around the largest
        connected region only (Grad-CAM, section on weakly supervised localisation: 15 %), or with
        `largest=False` around every region, the largest first. The pixels are those of the model's
        view, as in `maps` and `images`; of a photograph that was resized and cropped for the model
        they are not the photograph's own. Raises `ImageError` for a threshold that is no share.
        """
        return [boxes_above(one, threshold, largest=largest) for _, _, one, _, _ in self.each()]

    def picture(self, image: int = 0, target: int = 0) -> Image.Image:
        """One map over its image; for the methods in pixel space the pixels themselves."""
        return pictures.map_picture(self, image, target if self.several else 0)

    def photograph(self, image: int = 0) -> Image.Image:
        """What the model saw of an image; of a file at its own resolution.

        Grey where the input is no picture.
        """
        return pictures.photograph(self, image)

    def sheet(self) -> Image.Image:
        """All images, one a row, one target a column: the picture that `show` shows."""
        return pictures.sheet(self)

    def show(self) -> None:
        """Show the sheet: in a notebook below the cell, else in the system's picture viewer.

        Where there is neither, as on a server, it warns and goes on.
        """
        show(self[:MOST_SHOWN].sheet())

    def _repr_png_(self) -> bytes:
        return pictures.png(self[:MOST_SHOWN].sheet())

    def save(self, folder: str | Path) -> list[Path]:
        """Write a PNG for each map, all tensors, `explanation_METHOD.safetensors`, and the record.

        Returns the files written. Pictures of the same name are told apart by a number, and so are
        explanations: one of the same images, targets, layer and variant replaces its files of an
        earlier run, any other is written beside it as `explanation_METHOD-2`.
        """
        return save_explanation(self, Path(folder))

    def as_json(self) -> str:
        """The provenance with targets, scores and status, as JSON."""
        held = self.per_target
        sure = held.probabilities
        rows = [
            {
                "image": self.names[i],
                "target": target.index,
                "name": target.name,
                "score": _number(held.scores[i, j]),
                "probability": None if sure is None else _number(sure[i, j]),
                "status": status.word,
                "message": status.message,
                "counts": status.counts or {},
            }
            for i, j, _, target, status in self.each()
        ]
        return json.dumps({**self.provenance, "maps": rows}, indent=2, allow_nan=False)

    def __repr__(self) -> str:
        # of several targets those of the first image, of one target each those of three images
        asked = ", ".join(str(t) for t in (self.targets[0] if self.several else self.targets[:3]))
        asked += ", ..." if not self.several and len(self) > 3 else ""
        bad = sum(not status.ok for *_, status in self.each())
        return (
            f"Explanation({self.method} of {len(self)} image{'s' if len(self) != 1 else ''}:"
            f" {asked}; layer {self.layer!r}, maps"
            f" {list(self.maps.shape)}{f', {bad} not ok: see .status' if bad else ''})"
        )


@dataclass(frozen=True, eq=False)
class PerTarget:
    """The fields of an `Explanation` with a value for each target, `[b, n, ...]`, also for n = 1.

    The library works on these; `Explanation` shows `[b, ...]` where one target was asked, which is
    what people want to see. The axis is put in by `per_target` and taken out by `fields`, and
    nowhere else. Tensors are views.
    """

    maps: Tensor
    coarse: Tensor
    scores: Tensor
    probabilities: Tensor | None
    targets: list[list[Target]]
    status: list[list[Status]]
    pixels: Tensor | None = None

    def fields(self, several: bool) -> dict[str, Any]:
        """As an `Explanation` shows them: without the targets' axis, unless several were asked."""
        found = {name: getattr(self, name) for name in (*_PER_TARGET, *_LISTS)}
        if several:
            return found
        for name in _PER_TARGET:
            found[name] = None if found[name] is None else found[name][:, 0]
        for name in _LISTS:
            found[name] = [row[0] for row in found[name]]
        return found


def per_target(explanation: Explanation) -> PerTarget:
    """The fields of an explanation with the targets' axis, whether or not it shows one."""
    found = {name: getattr(explanation, name) for name in (*_PER_TARGET, *_LISTS)}
    if not explanation.several:
        for name in _PER_TARGET:
            found[name] = None if found[name] is None else found[name].unsqueeze(1)
        for name in _LISTS:
            found[name] = [[one] for one in found[name]]
    return PerTarget(**found)


def _number(value: Tensor) -> float | None:
    """JSON has no word for NaN and infinity; the status does."""
    return float(value) if math.isfinite(value) else None
