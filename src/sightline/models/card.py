"""A card stands beside each model: what it is shown, where to look, what its outputs are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from sightline.errors import ModelError
from sightline.types import Preprocess

Outputs = Literal["softmax", "sigmoid", "probability", "value"]
OUTPUTS: tuple[str, ...] = get_args(Outputs)


@dataclass(frozen=True)
class Card:
    """What is known about a model without running it.

    `layer` is the layer worth explaining (None: sightline chooses), `preprocess` how a picture
    becomes its input, `classes` the short names of its outputs in order (None: not known), `source`
    where the weights and the recipe come from and what of this card is assumed, `outputs` how
    logits become probabilities, or `"value"` where they are quantities (an age, a depth).

    >>> card = Card(
    ...     "mine",
    ...     layer=None,
    ...     preprocess=Preprocess(),
    ...     classes=("cat", "dog"),
    ...     source="trained by me",
    ... )
    >>> Card.from_dict(card.as_dict()) == card
    True
    """

    name: str
    layer: str | None
    preprocess: Preprocess
    classes: tuple[str, ...] | None
    source: str
    licence: str = "unknown"
    outputs: Outputs = "softmax"

    def __post_init__(self) -> None:
        if not isinstance(self.preprocess, Preprocess):
            came = type(self.preprocess).__name__
            raise ModelError(
                f"a card's preprocess is a sightline.Preprocess; got {came}. Of a transform or an"
                " image processor sightline.images.as_preprocess makes one."
            )

    def as_dict(self) -> dict[str, Any]:
        """The card as plain lists, numbers and strings, ready for JSON.

        >>> Card("mine", "conv", Preprocess(), ("cat",), "me").as_dict()["preprocess"]["crop"]
        [224, 224]
        """
        entries = cast(dict[str, Any], json.loads(json.dumps(asdict(self))))
        if not self.preprocess.assumed:
            del entries["preprocess"]["assumed"]
        if self.preprocess.channels == 3:
            del entries["preprocess"]["channels"]
        return entries

    @staticmethod
    def from_dict(entries: Mapping[str, Any]) -> Card:
        """The card written by `as_dict`; entries a card has no place for are left aside.

        Raises `ModelError` when an entry is missing or cannot be understood.

        >>> Card.from_dict(
        ...     {"name": "mine", "preprocess": {"resize": 40, "crop": [32, 32]}, "measured": 0.9}
        ... ).preprocess
        Preprocess(resize=40, crop=(32, 32), interpolation='bilinear', mean=(0.485, ...), std=...)
        """
        try:
            classes = entries.get("classes")
            return Card(
                name=str(entries["name"]),
                layer=entries.get("layer"),
                preprocess=_preprocess(entries["preprocess"]),
                classes=None if classes is None else tuple(str(name) for name in classes),
                source=str(entries.get("source", "unknown")),
                licence=str(entries.get("licence", "unknown")),
                outputs=outputs_word(entries.get("outputs", "softmax")),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                "a card needs 'name' and 'preprocess', the latter with entries of Preprocess"
                f" (resize, crop, interpolation, mean, std), but: {type(error).__name__} {error}."
                " Complete it, or write a fresh one with Card(...).as_dict()."
            ) from error

    @staticmethod
    def read(path: str | Path) -> Card:
        """The card in a JSON file. Raises `ModelError` when there is none, or it is not a card."""
        try:
            entries = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"expected a card in JSON at '{path}', but {error}. See Card.as_dict()."
            ) from error
        return Card.from_dict(entries)


def _preprocess(entries: Mapping[str, Any]) -> Preprocess:
    """`Preprocess` from JSON, where tuples have become lists."""
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
    return Preprocess(**given)


def outputs_word(word: str) -> Outputs:
    """A card's `outputs`, if it is one of the words there are, or a `ModelError`."""
    if word not in OUTPUTS:
        *others, last = map(repr, OUTPUTS)
        raise ModelError(f"outputs are {', '.join(others)} or {last}, not {word!r}.")
    return cast(Outputs, word)
