"""Class names to class numbers and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sightline.errors import TargetError, near
from sightline.targets.class_maps import dense, is_segmentation
from sightline.targets.model_outputs import class_rows


@dataclass(frozen=True)
class Target:
    """What was asked: a class number (None for a function of the outputs) and its name."""

    index: int | None
    name: str

    def __str__(self) -> str:
        return self.name


def label(index: int, classes: Sequence[str] | None) -> str:
    """The name of a class, or `class 7` where none is known."""
    return classes[index] if classes is not None and index < len(classes) else f"class {index}"


def two_names(classes: Sequence[str] | None) -> Sequence[str]:
    """What the two classes of a single logit are called.

    >>> two_names(["healthy", "ill"]), two_names(None)
    (['healthy', 'ill'], ('negative', 'positive'))
    """
    return classes if classes is not None and len(classes) == 2 else ("negative", "positive")


def checked_names(classes: Sequence[str], outputs: Any, images: int | None = None) -> Sequence[str]:
    """The names a caller gave, if there is one for each output (two for a single logit).

    Of a segmentation network one for each channel (two for a single one).
    """
    segments = is_segmentation(outputs)
    count = (dense(outputs) if segments else class_rows(outputs, classes, images)[0]).shape[1]
    if len(classes) in ({1, 2} if count == 1 else {count}):
        return classes
    raise TargetError(
        f"Expected {count} class names, one for each of the model's outputs; got {len(classes)}."
        " Give them in the order of the outputs, or leave classes= out and ask by number."
    )


def find_class(name: str, classes: Sequence[str] | None, count: int) -> int:
    """The number of the class called `name`.

    The whole name counts, one of its synonyms, or the only one that holds the words.

    Raises `TargetError` for an unknown or an ambiguous name, with near ones.

    >>> (
    ...     find_class("Tabby", ["tabby, tabby cat", "tiger cat"], 2),
    ...     find_class("tiger", ["tabby", "tiger cat"], 2),
    ... )
    (0, 1)
    """
    if name.strip().isdigit() and (
        classes is None or name.strip() not in classes
    ):  # digits have names, too: '7'
        return checked_index(int(name), count)
    if classes is None:
        raise TargetError(
            f"Expected a class number: this model's class names are not known, so {name!r} cannot"
            f" be found. Pass classes=[...] with its {count} names, or ask for a number from 0 to"
            f" {count - 1}."
        )
    wanted = name.strip().lower().replace("_", " ")
    spelled = [
        [part.strip().lower().replace("_", " ") for part in known.split(",")] for known in classes
    ]
    for matches in (
        [i for i, parts in enumerate(spelled) if ", ".join(parts) == wanted or parts[0] == wanted],
        [i for i, parts in enumerate(spelled) if wanted in parts],
        [i for i, parts in enumerate(spelled) if f" {wanted} " in f" {' '.join(parts)} "],
    ):
        if len(matches) == 1:
            return checked_index(matches[0], count)
        if matches:
            some = ", ".join(f"{i} {classes[i]!r}" for i in matches[:8])
            raise TargetError(
                f"Expected one class; {name!r} fits {len(matches)}: {some}. Ask for one by number."
            )
    close = near(
        name, dict.fromkeys(part.strip() for known in classes for part in known.split(","))
    )
    raise TargetError(
        f"The model has no class {name!r}. {close} Numbers 0 to {count - 1} work too."
    )


def checked_index(index: int, count: int) -> int:
    """The class number, if the outputs have it."""
    if 0 <= index < count:
        return index
    raise TargetError(
        f"Expected a class from 0 to {count - 1} (the model has {count} outputs); got {index}."
    )
