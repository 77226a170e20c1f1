"""What is known about a module object: the card it came with, or the one its kind suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from sightline.models import bundled, timm_cards, torchvision_cards
from sightline.models.card import Card
from sightline.models.structure import unwrap
from sightline.types import Preprocess

MARK = "sightline_card"
"""The attribute in which a model carries its card; copies and pickles of the model carry it along.
"""


_ALL = ("resize", "crop", "mean", "std")
"""What nobody knows of how a model's pictures are prepared."""


def card_of(model: nn.Module) -> Card:
    """The card of any module; it never fails, and its `source` says what of it is assumed.

    In this order: the card given by `load` or `describe`; the bundled model; timm's
    `pretrained_cfg`; a class of torchvision (ImageNet names only with 1000 outputs); a detector of
    torchvision's; class names in a Hugging Face style `config.id2label`; else the usual ImageNet
    preprocessing. DataParallel, DistributedDataParallel and torch.compile are looked through; the
    card's `layer` is named as in the model inside. The model's head is looked at each time: names
    are dropped when it was exchanged for one of another size.

    >>> card_of(nn.Conv2d(3, 8, 3)).source
    'assumed: nothing is known about a Conv2d; ImageNet preprocessing, no class names'
    """
    inner = unwrap(model)
    given = vars(inner).get(MARK)
    if isinstance(given, Card):
        return _checked_card(given, inner)
    return (
        bundled.card_of(inner)
        or timm_cards.card_of(inner)
        or torchvision_cards.card_of(inner)
        or _detector(inner)
        or _hugging_face(inner)
        or _assumed(inner)
    )


def describe(model: nn.Module, card: Card) -> None:
    """Give a model its card: from now on `card_of` and every explanation of it use that.

    >>> model = nn.Linear(4, 2)
    >>> describe(model, Card("mine", None, Preprocess(), ("cat", "dog"), "trained by me"))
    >>> card_of(model).classes
    ('cat', 'dog')
    """
    setattr(unwrap(model), MARK, card)


def _checked_card(card: Card, model: nn.Module) -> Card:
    """Without its class names, if the model's head no longer has as many outputs."""
    if card.classes is None:
        return card
    if card.name.startswith("timm/"):
        count = timm_cards.outputs(model)
    elif torchvision_cards.family(model):
        count = torchvision_cards.outputs(model)
    else:
        return card
    return card if count == len(card.classes) else replace(card, classes=None)


def _detector(model: nn.Module) -> Card | None:
    """torchvision's detectors take pixels in [0, 1] of any size: they prepare them inside."""
    inside = type(getattr(model, "transform", None))
    if not any(kind.__name__ == "GeneralizedRCNNTransform" for kind in inside.__mro__):
        return None
    card = _assumed(model)
    return replace(
        card,
        preprocess=Preprocess(resize=None, crop=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
        source=f"a {card.name} that resizes and normalises inside; no class names",
    )


def _hugging_face(model: nn.Module) -> Card | None:
    """Class names in the manner of transformers; placeholders such as LABEL_0 are none."""
    labels = getattr(getattr(model, "config", None), "id2label", None)
    if not isinstance(labels, Mapping) or not labels:
        return None
    if not all(str(key).isdecimal() for key in labels):
        return None
    names = [str(labels[key]) for key in sorted(labels, key=int)]
    if any(name.startswith("LABEL_") for name in names):
        return None
    card = _assumed(model)
    return replace(
        card,
        preprocess=_square(getattr(model.config, "image_size", None)),
        classes=tuple(name.split(",")[0] for name in names),
        source=f"class names from the config of a {card.name}; ImageNet preprocessing is assumed",
    )


def _square(size: object) -> Preprocess:
    if isinstance(size, int):
        return Preprocess(resize=size, crop=(size, size), assumed=("resize", "mean", "std"))
    return Preprocess(assumed=_ALL)


def _assumed(model: nn.Module) -> Card:
    kind = type(model).__name__
    return Card(
        name=kind,
        layer=None,
        preprocess=Preprocess(assumed=_ALL),
        classes=None,
        source=f"assumed: nothing is known about a {kind}; ImageNet preprocessing, no class names",
    )
