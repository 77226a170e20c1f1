"""A detector asked about one box: torchvision's detectors, DETR and their kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_names import find_class, label
from sightline.targets.model_outputs import named_parts
from sightline.targets.target import Aim, Names, Size, class_numbers
from sightline.tensors import iou


class Detections(NamedTuple):
    """What a detector says of one image.

    Boxes `[n, 4]` (left, top, right, bottom), how sure it is `[n]`, labels `[n]`.

    `scores` `[n]` are what is explained, with their graph. Nothing else has one.
    """

    boxes: Tensor
    confidence: Tensor
    labels: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class Box(Aim):
    r"""The score of a label in a box, of the detection with the largest IoU x confidence.

    - `box`: `(left, top, right, bottom)` in the picture's pixels; a tensor `[b, 4]`: an image its
      own. None: anywhere.
    - `label`: a number, a name or a tensor `[b]`, counted as the detector counts. None: any.
    - `overlap`: the smallest IoU with the box for a detection to be meant by it. A half, as in VOC
      and COCO.
    - `confidence`: what a detector is less sure of than this does not count as found.
    - `score="logit"`: DETR's own logit of the label; for detectors that return probabilities p
      their log odds $\log p / (1 - p)$: the logit itself behind a sigmoid (RetinaNet), the logit
      against all others together behind a softmax (Faster R-CNN, SSD). A p of exactly 1 has no
      derivative left. `"probability"` asks for p.
    - `kind`: how DETR-like logits become confidences: `"softmax"` with "nothing" as the last column
      (DETR, YOLOS), or `"sigmoid"` without one (Conditional and Deformable DETR, RT-DETR).

    torchvision's detectors suppress overlapping boxes inside; that picks among boxes and changes no
    score, so a survivor's score is the one it had before. To ask for suppressed ones too, raise the
    model's `nms_thresh`. DETR suppresses nothing: every query can be asked. Which detection is
    meant is decided on the numbers, without a derivative. Boxes themselves are not explained, only
    scores.

    Raises `TargetError` where nothing fits, with the best there is.

    >>> found = {
    ...     "boxes": torch.tensor([[0.0, 0, 8, 8], [4, 4, 9, 9]]),
    ...     "scores": torch.tensor([0.5, 0.75]),
    ... }
    >>> outputs = [found | {"labels": torch.tensor([1, 2])}]
    >>> Box((0, 0, 8, 9))(outputs), Box(label=2, score="probability")(outputs)
    (tensor([0.]), tensor([0.7500]))
    """

    box: Sequence[int | float] | Tensor | None = None
    label: int | str | Tensor | None = None
    overlap: int | float = 0.5
    confidence: int | float = 0.05
    score: Literal["logit", "probability"] = "logit"
    kind: Literal["softmax", "sigmoid"] = "softmax"

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        if self.score not in ("logit", "probability") or self.kind not in ("softmax", "sigmoid"):
            raise TargetError(
                "Expected score='logit' or 'probability' and kind='softmax' or 'sigmoid'; got "
                f"score={self.score!r}, kind={self.kind!r}."
            )
        if isinstance(outputs, list | tuple) and all(_is_found(one) for one in outputs) and outputs:
            b, each = len(outputs), None
            labels = _labels(self.label, b, classes)
        else:
            logits, boxes = _queries(outputs)
            b, count = len(logits), logits.shape[2] - (self.kind == "softmax")
            labels = None if self.label is None else class_numbers(self.label, b, classes, count)
            each = logits, _in_pixels(boxes, size, self.box is not None and _beyond(self.box))
        wanted = _boxes(self.box, b)
        scores = []
        for i in range(b):
            own = None if labels is None else int(labels[i])
            found = (
                self._from_list(outputs[i])
                if each is None
                else self._from_queries(each[0][i], each[1][i], own)
            )
            scores.append(
                found.scores[
                    self._best(found, None if wanted is None else wanted[i], own, i, classes)
                ]
            )
        return torch.stack(scores)

    def __str__(self) -> str:
        name = "the best detection" if self.label is None else "a label for each image"
        if isinstance(self.label, int | str):
            name = label(self.label, None) if isinstance(self.label, int) else self.label
        if self.box is None:
            return name
        if isinstance(self.box, Tensor) and self.box.ndim == 2:
            return f"{name} in a box for each image"
        return f"{name} in box {', '.join(f'{float(x):g}' for x in self.box)}"

    def _from_list(self, found: Mapping[str, Tensor]) -> Detections:
        """As torchvision lists what it found in an image."""
        sure = found["scores"]
        scores = (
            sure
            if self.score == "probability"
            else torch.logit(sure, eps=torch.finfo(sure.dtype).eps)
        )
        return Detections(found["boxes"].detach(), sure.detach(), found["labels"], scores)

    def _from_queries(self, logits: Tensor, boxes: Tensor, own: int | None) -> Detections:
        """One image's queries as detections of the label asked for, or each of its best."""
        sure = logits.softmax(1)[:, :-1] if self.kind == "softmax" else logits.sigmoid()
        labels = (
            sure.argmax(1) if own is None else torch.full((len(sure),), own, device=sure.device)
        )
        scores = sure if self.score == "probability" else logits
        picked = sure.gather(1, labels[:, None])[:, 0]
        return Detections(boxes, picked.detach(), labels, scores.gather(1, labels[:, None])[:, 0])

    def _best(
        self, found: Detections, box: Tensor | None, own: int | None, image: int, classes: Names
    ) -> Tensor:
        """Which detection is meant."""
        fit = found.confidence >= self.confidence
        if own is not None:
            fit = fit & (found.labels == own)
        weight = found.confidence
        if box is not None:
            shared = iou(found.boxes, box.to(found.boxes)[None])[:, 0]
            fit = fit & (shared >= self.overlap)
            weight = weight * shared
        if not bool(fit.any()):
            raise TargetError(self._nothing(found, box, own, image, classes))
        return weight.where(fit, -1).argmax()

    def _nothing(
        self, found: Detections, box: Tensor | None, own: int | None, image: int, classes: Names
    ) -> str:
        what = "a detection" if own is None else f"a detection of {label(own, classes)!r}"
        where = (
            ""
            if box is None
            else f" that shares {self.overlap:g} (IoU) with the box {_in_words(box)}"
        )
        text = (
            f"Expected {what}{where} with a confidence of {self.confidence:g} at least in image"
            f" {image}; "
        )
        if not len(found.boxes):
            return (
                text + "the detector found nothing. Check that the picture is in [0, 1] and not"
                " normalised (torchvision does that itself), or lower the detector's own"
                " threshold: model.roi_heads.score_thresh, model.score_thresh."
            )
        right = (
            found.labels == own
            if own is not None
            else torch.ones_like(found.labels, dtype=torch.bool)
        )
        nearest = ""
        if box is not None and bool(right.any()):
            shared = iou(found.boxes, box.to(found.boxes)[None])[:, 0].where(right, -1)
            k = int(shared.argmax())
            which = _detection_in_words(found, k, classes)
            nearest = f" The nearest shares {float(shared[k]):.2f}, with {which}."
        best = int(
            found.confidence.where(right, -1).argmax()
            if bool(right.any())
            else found.confidence.argmax()
        )
        other = "" if bool(right.any()) else "none of that label; "
        which = _detection_in_words(found, best, classes)
        text += f"{other}the best of {len(found.boxes)} is {which}.{nearest}"
        return f"{text} Ask for that, lower overlap= or confidence=, or leave box= out."


def _is_found(one: Any) -> bool:
    return isinstance(one, Mapping) and {"boxes", "scores", "labels"} <= set(one)


def _queries(outputs: Any) -> tuple[Tensor, Tensor]:
    """DETR's answer: logits `[b, q, k]` and boxes `[b, q, 4]`.

    Boxes are (centre x, centre y, width, height) in shares.
    """
    logits, boxes = (
        next(iter(named_parts(outputs, kind)), None) for kind in ("query logits", "query boxes")
    )
    if (
        isinstance(logits, Tensor)
        and isinstance(boxes, Tensor)
        and logits.ndim == 3
        and boxes.shape[-1] == 4
    ):
        return logits, boxes.detach()
    raise TargetError(
        "Expected a detector's outputs: a list with boxes, labels and scores for each image"
        " (torchvision), or logits [b, q, k] and pred_boxes [b, q, 4] (DETR); the model returned"
        f" {type(outputs).__name__}. Where targets were given it returns losses. Any other kind is"
        " asked by a function of the outputs: target=lambda out: ..."
    )


def _in_pixels(boxes: Tensor, size: Size, needed: bool) -> Tensor:
    """Boxes in shares as corners in pixels; in shares still, where its size is not known."""
    corners = torch.cat(
        [boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], dim=-1
    )
    if size is None:
        if needed:
            raise TargetError(
                "Expected a box in shares of the picture, 0 to 1, or the picture's size=(height,"
                " width)."
            )
        return corners
    h, w = size
    return corners * corners.new_tensor([w, h, w, h])


def _beyond(box: Sequence[int | float] | Tensor) -> bool:
    return bool((torch.as_tensor(box, dtype=torch.float32, device="cpu") > 1).any())


def _labels(wanted: Any, b: int, classes: Names) -> Tensor | None:
    """The label asked of each image.

    A detector that lists what it found does not say how many it knows.
    """
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if classes is None and not wanted.strip().isdigit():
            raise TargetError(
                "Expected a label as number: this detector's class names are not known, so"
                f" {wanted!r} cannot be found. Pass classes=[...]; torchvision has them in"
                ' weights.meta["categories"].'
            )
        wanted = int(wanted) if classes is None else find_class(wanted, classes, len(classes))
    return class_numbers(wanted, b, classes, torch.iinfo(torch.int64).max)


def _boxes(box: Any, b: int) -> Tensor | None:
    """The box asked of each image, `[b, 4]`."""
    if box is None:
        return None
    boxes = torch.as_tensor(box, dtype=torch.float32, device="cpu")
    if boxes.shape not in ((4,), (b, 4)) or not bool((boxes[..., :2] < boxes[..., 2:]).all()):
        raise TargetError(
            "Expected a box (left, top, right, bottom), left of and above its end, or one for each"
            f" of the {b} images, [{b}, 4]; got {boxes.tolist()}."
        )
    return boxes.expand(b, 4)


def _detection_in_words(found: Detections, k: int, classes: Names) -> str:
    return (
        f"{label(int(found.labels[k]), classes)!r} ({float(found.confidence[k]):.2f}) in"
        f" {_in_words(found.boxes[k])}"
    )


def _in_words(box: Tensor) -> str:
    return "(" + ", ".join(f"{x:.4g}" for x in box.tolist()) + ")"
