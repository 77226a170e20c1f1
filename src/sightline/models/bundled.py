"""The bundled model's card for a `Lookout`.

It has no class names if that was built for other classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from sightline.errors import ModelError
from sightline.models.card import Card
from sightline.models.checkpoint import read_weights
from sightline.models.load_weights import fit
from sightline.models.local_file import card_of_file
from sightline.models.lookout import Lookout, lookout
from sightline.models.structure import width

NAME = "lookout"
CARD = Path(__file__).with_name("lookout.json")


@cache
def card() -> Card:
    """The card written by the program that trained the model."""
    return Card.read(CARD)


def card_of(model: nn.Module) -> Card | None:
    """The bundled model's card for a `Lookout`.

    Without class names if it was built for other classes.
    """
    if not isinstance(model, Lookout):
        return None
    known = card()
    same = known.classes is not None and width(model.head) == len(known.classes)
    return known if same else replace(known, classes=None)


def build(
    weights: str | Path | None, pretrained: bool, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    """The model in evaluation mode and its card; `options` are those of `Lookout`."""
    if weights is None and pretrained:
        if options:
            raise ModelError(
                f"the bundled weights fit '{NAME}' as it is, not with {', '.join(options)}. Leave"
                " the options out, or give weights of your own (weights='FILE') or"
                " pretrained=False."
            )
        return lookout(), card()
    stored = None if weights is None else read_weights(weights)
    outputs = None if stored is None else stored.get("head.weight")
    sizes = {} if outputs is None else {"classes": len(outputs)}
    try:
        model = Lookout(**{**sizes, **options}).eval()
    except TypeError as error:
        raise ModelError(
            f"'{NAME}' cannot be built: {error}. The options are those of Lookout."
        ) from error
    if stored is None or weights is None:
        return model, replace(card_of(model) or card(), source="random weights")
    fit(model, stored, Path(weights).name)
    return model, card_of_file(card_of(model) or card(), Path(weights).name)
