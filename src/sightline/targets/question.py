"""What is asked: `target` in any of its forms becomes scores, one an image and question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.class_maps import is_segmentation, maps_beside
from sightline.targets.class_names import Target, label, two_names
from sightline.targets.classification import indices_of, names_no_class
from sightline.targets.model_outputs import class_rows, embedding_by, two_rows
from sightline.targets.quantity import as_quantities, quantities_meant
from sightline.targets.reading import (
    PLAIN,
    VALUE,
    Reading,
    Stated,
    may_be_probabilities,
    reading_of,
)
from sightline.targets.segmentation import Region
from sightline.targets.target import Aim, Function, Wanted
from sightline.targets.whole_picture import Regions, regions_meant
from sightline.tensors import scores_before


@dataclass(frozen=True)
class Question:
    """`n` questions asked of each of `b` images.

    `scores` `[n, b]` is what is explained, with its graph; `indices` `[b, n]` the classes and
    `confidence` `[b, n]` their probabilities (None for a function of the outputs); `targets[i][j]`
    says in words what was asked of image i. `several` tells whether the caller asked for more than
    one, `rows` are the logits, `single` tells that the model has one logit, whose negative stands
    for class 0. `top` are the five most probable classes. `reading` tells how the outputs were
    read, `logits` `[b, k]` what is taken for logits (one column of a single one), `inside` that
    these are what went into the model's last softmax or sigmoid; `notes` say how a target or the
    outputs were read, where that is not plain. `again` is what other outputs are to be asked, where
    it is not the target itself: the places that were found in these.
    """

    scores: Tensor
    targets: list[list[Target]]
    several: bool
    indices: Tensor | None = None
    confidence: Tensor | None = None
    rows: Tensor | None = None
    single: bool = False
    top: list[list[tuple[Target, float]]] = field(default_factory=list)
    reading: Reading = PLAIN
    logits: Tensor | None = None
    inside: bool = False
    notes: tuple[str, ...] = ()
    again: Callable[[], list[Function]] | None = None

    @property
    def quantity(self) -> bool:
        """Whether the outputs are quantities and no scores of classes."""
        return self.reading == VALUE

    @property
    def without_softmax(self) -> str | None:
        """What is asked, in words, where no softmax over classes is behind it; else None."""
        if self.quantity:
            return "a quantity"
        if self.rows is None:
            return "a region of a segmentation" if self.notes else "a function of the outputs"
        return "a single logit" if self.single else None


def ask(
    target: Wanted,
    outputs: Any,
    *,
    classes: Sequence[str] | None = None,
    kind: Stated = "softmax",
    images: int | None = None,
    size: Sequence[int] | None = None,
    inside: bool = True,
    headless: str | None = None,
) -> Question:
    """Put the target to the outputs of `images` images with `size` pixels.

    None: as many as the outputs have rows.

    | target | asks |
    |---|---|
    | None, `"predicted"` | each image's own most probable class |
    | 281, `"tabby"` | one class of every image |
    | `"top3"` | each image's three most probable classes |
    | `"least"` | each image's least likely class |
    | `[281, "lens cap"]` | several classes of every image |
    | tensor `[b]`, tensor `[b, n]`, nested list | each image's own class, or n classes |
    | a function, a `Region`, `Box`, ... | one score an image, `[b]`, from what the model returned |

    A single logit (binary) has the classes 0 (negative: the score is -logit) and 1 (positive). A
    segmentation network is asked for its classes where they are predicted (`Region`), the most
    probable one being that of most places. With the kind `"value"` the outputs are quantities.
    Outputs that are probabilities already are taken as they are, and the score explained is what
    went into their softmax or sigmoid where that is known, else log p, or the log odds; these
    always where `inside` is False, for outputs that are to be compared with those of other runs.
    `headless` says by what the model is known to have no head: its outputs are an embedding, of
    which no number is a class.
    Raises `TargetError`.

    >>> ask("top2", torch.tensor([[1.0, 3.0, 2.0]])).indices
    tensor([[1, 2]])
    >>> ask(None, torch.tensor([[-2.0]])).targets
    [[Target(index=0, name='negative')]]
    """
    while isinstance(target, Aim) and (narrowed := target.within(outputs)) is not None:
        outputs, target = narrowed
        if (
            isinstance(outputs, Tensor) and outputs.ndim == 2 and classes is not None
        ):  # names may be another head's
            classes = classes if len(classes) == outputs.shape[1] else None
    if (functions := _as_functions(target)) is not None:
        if kind == "value":
            functions = [as_quantities(one) for one in functions]
        several = isinstance(target, list | tuple)
        question = _functions(functions, outputs, images, classes, size, several=several)
        return replace(question, reading=VALUE) if kind == "value" else question
    if kind == "value":
        return _quantities(target, outputs, images, classes, size)
    if is_segmentation(outputs, size, classes):
        return _regions(regions_meant(target, outputs, classes, size), outputs, images, size)
    own, why = class_rows(outputs, classes, images)
    own = _of_images(own, images)
    embedding = None if classes is not None else headless or embedding_by(outputs, own)
    if embedding is not None and names_no_class(target):
        raise TargetError(
            f"Expected a classifier; the outputs {list(own.shape)} are an embedding ({embedding}),"
            " whose numbers are no classes. Explain what makes a picture like another with"
            " target=sightline.Similarity(embedding), one number of it with"
            f" target={min(79, own.shape[1] - 1)}, or put a head behind it. If these are classes"
            " say classes=[names]."
        )
    reading = reading_of(own, kind)
    before = scores_before(own) if inside and not reading.plain else None
    scores = reading.logits(own) if before is None else before
    single, rows = own.shape[1] == 1, scores
    if single:  # against (0) and for (1)
        rows, classes = two_rows(rows), two_names(classes)
    sure = reading.probabilities(own)
    indices, several = indices_of(target, rows.detach(), classes)
    indices = indices.to(rows.device)
    return Question(
        scores=rows.gather(1, indices).T,
        targets=[[Target(k, label(k, classes)) for k in row] for row in indices.tolist()],
        several=several,
        indices=indices,
        confidence=sure.gather(1, indices),
        rows=rows,
        single=single,
        top=_top(sure, classes),
        reading=reading,
        logits=scores,
        inside=before is not None,
        notes=(
            *([] if why is None else [why]),
            *_beside(outputs, own, size),
            *_read_as_list(target, len(own)),
            *([f"a number of an embedding ({embedding}), no class"] if embedding else []),
            *reading.notes(before is not None),
        ),
    )


def _read_as_list(target: Wanted, images: int) -> list[str]:
    """What a list of as many numbers as there are images could have meant, too."""
    whole = isinstance(target, list | tuple | range) and all(isinstance(k, int) for k in target)
    if not whole or images < 2 or len(target) != images:  # type: ignore[arg-type]  # it is one
        return []
    return [
        f"the list asks each of the {images} images for all of its {images} classes; a tensor"
        " [b] asks each for its own: target=torch.tensor([...])"
    ]


def unclear(outputs: Any, images: int) -> bool:
    """Whether outputs without a graph may be logits as well as probabilities.

    >>> unclear(torch.tensor([[0.2], [0.9]]), 2), unclear(torch.tensor([[0.2], [-0.9]]), 2)
    (True, False)
    """
    try:
        rows, _ = class_rows(outputs, images=images)
    except TargetError:  # said better where they are asked
        return False
    return rows.grad_fn is None and may_be_probabilities(rows)


def _of_images(rows: Tensor, images: int | None) -> Tensor:
    """The rows, if there is one for each image."""
    if images in (None, len(rows)):
        return rows
    raise TargetError(
        f"Expected a row of outputs for each of the {images} images; the model returned"
        f" {len(rows)}. Say what belongs to which with a function of the outputs, one score an"
        " image: target=lambda out: out[...]."
    )


def _beside(outputs: Any, rows: Tensor, size: Sequence[int] | None) -> tuple[str, ...]:
    """What is said of a segmentation network with a classifier's head at its side."""
    maps = maps_beside(outputs, size)
    if maps is None:
        return ()
    return (
        f"a classifier's output {list(rows.shape)} is explained; the model returned maps {maps} as"
        " well, of which Region(1) asks for a class where it is predicted",
    )


def _regions(
    meant: Regions, outputs: Any, images: int | None, size: Sequence[int] | None
) -> Question:
    """Classes of a segmentation network, each where it is predicted."""
    functions = list[Function](meant.asked)
    question = _functions(functions, outputs, images, meant.names, size, several=meant.several)
    named = [[Target(k, label(k, meant.names)) for k in row] for row in meant.indices.tolist()]
    return replace(question, targets=named, notes=meant.notes)


def _quantities(
    target: Wanted,
    outputs: Any,
    images: int | None,
    classes: Sequence[str] | None,
    size: Sequence[int] | None,
) -> Question:
    """Quantities as they are; of those at every place the mean over the picture."""
    meant = quantities_meant(target, outputs, classes)
    named = [[Target(k, meant.names[k]) for k in row] for row in meant.indices.tolist()]
    if meant.rows is None:
        functions: list[Function] = [
            Region(column, outputs="value") for column in meant.indices.unbind(1)
        ]
        question = _functions(functions, outputs, images, meant.names, size, meant.several)
        return replace(question, targets=named, reading=VALUE)
    rows = _of_images(meant.rows, images)
    indices = meant.indices.to(rows.device)
    scores = rows.gather(1, indices).T
    return Question(scores, named, meant.several, indices, rows=rows, reading=VALUE, logits=rows)


def beyond_classes(target: Wanted) -> bool:
    """Whether a function asks the outputs, or a list of them, not a class by name or number."""
    return _as_functions(target) is not None


def _as_functions(target: Wanted) -> list[Function] | None:
    if isinstance(target, list | tuple):
        return list(target) if target and all(callable(one) for one in target) else None
    return [target] if callable(target) and not isinstance(target, Tensor) else None


def _top(
    sure: Tensor, classes: Sequence[str] | None, most: int = 5
) -> list[list[tuple[Target, float]]]:
    values, indices = sure.topk(min(most, sure.shape[1]), dim=1)
    return [
        [(Target(k, label(k, classes)), p) for k, p in zip(*row, strict=True)]
        for row in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def _functions(
    functions: list[Function],
    outputs: Any,
    images: int | None,
    classes: Sequence[str] | None,
    size: Sequence[int] | None,
    several: bool,
) -> Question:
    columns: list[Tensor] = []
    for function in functions:
        score = function(outputs, classes, size) if isinstance(function, Aim) else function(outputs)
        b = images if images is not None else len(columns[0]) if columns else None
        if not isinstance(score, Tensor) or score.ndim > 1 or b not in (None, score.numel()):
            came = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
            raise TargetError(
                f"Expected {_called(function)} to give one score an image, a tensor [{b or 'b'}];"
                f" it gave {came}. Sum over what belongs to one image: lambda out: out[:,"
                " 3].flatten(1).sum(1)."
            )
        columns.append(score.reshape(-1))
    targets = [[Target(None, _called(f)) for f in functions] for _ in range(len(columns[0]))]
    again = None
    if any(isinstance(one, Region) for one in functions):
        again = cache(lambda: [_settled(one, outputs, classes, size) for one in functions])
    return Question(scores=torch.stack(columns), targets=targets, several=several, again=again)


def _settled(
    function: Function, outputs: Any, classes: Sequence[str] | None, size: Sequence[int] | None
) -> Function:
    """The question with the place it was asked at, for outputs of changed pictures."""
    return function.settled(outputs, classes, size) if isinstance(function, Region) else function


def _called(function: Function) -> str:
    if isinstance(function, Aim):
        return str(function)
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__name__", "a function"))
