"""What a local file tells about its model, and what a card can then no longer promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from sightline.models.card import Card
from sightline.models.structure import head, width

Build = Callable[[Mapping[str, Any]], nn.Module]


def built_for(stored: Mapping[str, Tensor], build: Build, options: Mapping[str, Any]) -> nn.Module:
    """The model with as many classes as the stored head has, unless the options say how many.

    >>> import torch
    >>> build = lambda options: nn.Sequential(nn.Linear(4, options.get("num_classes", 1000)))
    >>> built_for({"0.weight": torch.zeros(7, 4)}, build, {})[0]
    Linear(in_features=4, out_features=7, bias=True)
    """
    model = build(options)
    top = head(model)
    outputs = stored.get(f"{top[0]}.weight") if top else None
    if top is None or outputs is None or "num_classes" in options or width(top[1]) == len(outputs):
        return model
    return build({**options, "num_classes": len(outputs)})


def card_of_file(card: Card, file: str) -> Card:
    """The card of a model that was loaded from a local file.

    The rest of it is an assumption about this file.
    """
    what = "preprocessing and class names" if card.classes else "preprocessing"
    return replace(
        card,
        source=f"local file {file}; {what} assumed to be as in {card.source}",
        licence="see where the local file comes from",
    )
