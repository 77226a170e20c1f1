"""Everything a metric can ask for about a batch.

Each is made when it is first asked for, once, for all methods together.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.evaluation.measure import curves, repeated_maps
from sightline.evaluation.measure.explained_batch import ExplainedBatch
from sightline.evaluation.measure.labelled_batch import no_boxes
from sightline.supply import Supply

Made = dict[str, Any] | Any
"""For each method its own, or one for all of them."""

COLUMNS = {
    "given_map": "given",
    "given_boxes": "given",
    "other_map": "least",
    "top_maps": "top",
    "top_peaks": "top",
    "top_boxes": "top",
}
"""The classes, besides its own, for which an image has to be explained when a word is asked for."""

TRUTH = {"boxes", "given_boxes", "top_boxes", "mask"}
"""Where the object is: a map whose place is not confirmed is not held against that."""

RECORDED = (
    "full_score",
    "masked_score",
    "rank",
    "deletion_curve",
    "insertion_curve",
    "occluded_curve",
    "occluded_fraction",
    "road_morf",
    "road_lerf",
)
"""Measurements that are numbers: they are written into an image's row wherever they were made."""


class Measurements:
    """What can be asked for about an explained batch, method by method.

    >>> sorted(set(RECORDED) - set(WORDS))
    []
    """

    def __init__(self, batch: ExplainedBatch, wanted: Iterable[str] = ()) -> None:
        """`wanted` are words that will be asked for: what tells two of them is run once."""
        self.batch, self.wanted = batch, set(wanted)
        self._made: dict[str, dict[str, Any]] = {}

    def of(self, name: str) -> Supply:
        """What a metric can ask for about one method or control."""
        return Supply({word: partial(self._one, word, name) for word in WORDS})

    def recorded(self, name: str) -> dict[str, Tensor]:
        """The numbers that have been measured so far for one method."""
        return {word: self._made[word][name] for word in RECORDED if word in self._made}

    def _one(self, word: str, name: str) -> Any:
        if word == "masked_score" and "masked_map" in self.wanted:
            self._one("masked_map", name)
        if word not in self._made:
            self._keep(word, WORDS[word](self.batch))
        return self._made[word][name]

    def _keep(self, word: str, made: Any) -> None:
        if word == "masked_map":  # the same look tells both
            maps, scores = made
            self._made["masked_score"], made = scores, maps
        own = isinstance(made, dict)
        self._made[word] = made if own else dict.fromkeys(self.batch.names, made)


def masked_score(batch: ExplainedBatch) -> dict[str, Tensor]:
    """The confidence O on each method's explanation map."""
    return dict(
        zip(
            batch.names,
            batch.confidences(batch.seen_through(name) for name in batch.names),
            strict=True,
        )
    )


def _columns_of(word: str) -> Callable[[ExplainedBatch], dict[str, Tensor]]:
    def maps(batch: ExplainedBatch) -> dict[str, Tensor]:
        column = batch.column_of[word]
        return {name: batch.map_of(name, column) for name in batch.methods} | {
            n: batch.maps[n] for n in batch.controls
        }

    return maps


def top_maps(batch: ExplainedBatch) -> dict[str, Tensor]:
    """The maps of the most probable classes, `[b, 5, h, w]`; a control has one map for all."""
    columns = range(batch.column_of["top"], batch.column_of["top"] + batch.top)
    own = {
        name: torch.stack([batch.map_of(name, column) for column in columns], dim=1)
        for name in batch.methods
    }
    return own | {
        name: (
            batch.maps[name].unsqueeze(1).expand(-1, batch.top, *[-1] * (batch.maps[name].ndim - 1))
        )
        for name in batch.controls
    }


def top_peaks(batch: ExplainedBatch) -> dict[str, Tensor]:
    """The largest value of each of their coarse maps, `[b, 5]`.

    A control has none, and never rejects.
    """
    columns = range(batch.column_of["top"], batch.column_of["top"] + batch.top)
    own = {
        name: torch.stack(
            [batch.coarse_of(name, column).flatten(1).amax(1) for column in columns], dim=1
        )
        for name in batch.methods
    }
    certain = torch.full(
        (len(batch.labelled), batch.top), torch.inf, dtype=torch.float32, device="cpu"
    )
    return own | dict.fromkeys(batch.controls, certain)


def rank(batch: ExplainedBatch) -> Tensor:
    """Place of the given class among the predictions, from 0.

    5 stands for all that follow, -1 for unknown.
    """
    places = [
        -1 if label is None else order.index(label) if label in order else len(order)
        for order, label in zip(batch.ranking, batch.labelled.labels, strict=True)
    ]
    return torch.tensor(places, device="cpu")


def _boxes(batch: ExplainedBatch, numbers: Iterable[int | None]) -> list[Tensor]:
    """Boxes of a class an image; none where the image is not annotated."""
    found = [batch.labelled.boxes_of(image, number) for image, number in enumerate(numbers)]
    return [no_boxes() if boxes is None else boxes for boxes in found]


def top_boxes(batch: ExplainedBatch) -> list[list[Tensor] | None]:
    """Boxes of the most probable classes of each image; None where nobody looked what is in it."""
    found: list[list[Tensor] | None] = []
    for image, order in enumerate(batch.ranking):
        some = [batch.labelled.boxes_of(image, number) for number in order[: batch.top]]
        found.append(
            None
            if any(boxes is None for boxes in some)
            else [boxes for boxes in some if boxes is not None]
        )
    return found


WORDS: dict[str, Callable[[ExplainedBatch], Made]] = {
    "full_score": lambda batch: batch.full_score,
    "masked_score": masked_score,
    "image_map": lambda batch: batch.maps,
    "masked_map": repeated_maps.masked_maps,
    "given_map": _columns_of("given"),
    "other_map": _columns_of("least"),
    "top_maps": top_maps,
    "top_peaks": top_peaks,
    "boxes": lambda batch: _boxes(batch, batch.classes.tolist()),
    "given_boxes": lambda batch: _boxes(batch, batch.labelled.labels),
    "top_boxes": top_boxes,
    "mask": lambda batch: [
        batch.labelled.mask_of(i, number) for i, number in enumerate(batch.classes.tolist())
    ],
    "rank": rank,
    "deletion_curve": curves.deletion_curve,
    "insertion_curve": curves.insertion_curve,
    "occluded_curve": curves.occluded_curve,
    "occluded_fraction": curves.occluded_fraction,
    "road_morf": curves.road_morf,
    "road_lerf": curves.road_lerf,
    "occlusion_map": repeated_maps.occlusion_map,
    "noisy_maps": repeated_maps.noisy_maps,
    "randomised_maps": repeated_maps.randomised_maps,
}
"""What metrics can ask for:

| word | is |
|---|---|
| `full_score` | confidence Y in the class explained, on the whole image, `[b]` |
| `masked_score` | confidence O on the image seen through the map, `[b]` |
| `image_map` | the map as the protocol scales it, `[b, h, w]` in [0, 1] |
| `masked_map` | the map of the image seen through the map, for the same class |
| `given_map`, `given_boxes` | the map and the boxes of the given class |
| `other_map` | the map of the least likely class |
| `top_maps` | maps `[b, 5, h, w]` of the most probable classes |
| `top_peaks` | the largest value of each of their coarse maps, `[b, 5]` |
| `boxes` | boxes `[n, 4]` of the class explained, for each image |
| `top_boxes` | boxes of the most probable classes, for each image |
| `mask` | the mask `[h, w]` of the class explained, for each image, or None |
| `rank` | place of the given class among the predictions, from 0; 5 and more: 5; unknown: -1 |
| `deletion_curve` | confidences while the strongest pixels go, `[b, steps + 1]` |
| `insertion_curve` | confidences while the strongest pixels come, `[b, steps + 1]` |
| `occluded_curve` | confidences where values from each theta-quantile on are seen, then nothing |
| `occluded_fraction` | the share of pixels hidden then, `[b, thetas + 1]` |
| `road_morf` | confidences after the strongest pixels were imputed, `[b, percentages]` |
| `road_lerf` | confidences after the weakest pixels were imputed, `[b, percentages]` |
| `occlusion_map` | confidence lost where a patch hides a place, `[b, h, w]` |
| `noisy_maps` | maps of noisy copies of the image, `[b, samples, h, w]` |
| `randomised_maps` | maps of the model with ever more weights shuffled, `[b, stages, h, w]` |
"""
