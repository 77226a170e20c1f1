"""The cards of torchvision's classifiers, read from its own description of its weights."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from torch import nn

from sightline.models.card import Card
from sightline.models.structure import head, module_name, width
from sightline.types import Preprocess

LAYERS = {
    "alexnet": "features.-2",  # the last ReLU before the last pooling: conv5
    "convnext": "features.-1",
    "densenet": "features.norm5",
    "efficientnet": "features.-1",
    "googlenet": "inception5b",
    "inception": "Mixed_7c",
    "maxvit": "blocks.-1",
    "mnasnet": "layers.-1",
    "mobilenetv2": "features.-1",
    "mobilenetv3": "features.-1",
    "regnet": "trunk_output",
    "resnet": "layer4",
    "shufflenetv2": "conv5",
    "squeezenet": "features.-1",
    "swin_transformer": "permute",  # behind the last norm, channels first again
    # the last ReLU before the last pooling: conv5_3 of VGG-16, as in the papers
    "vgg": "features.-2",
    # behind it only the class token gathers from the patches
    "vision_transformer": "encoder.layers.-1.ln_1",
}
"""The layer worth explaining, by torchvision's file for the family; -1, -2 count children from the
end.
"""

LICENCE = "BSD-3-Clause (torchvision); weights: see source"


def family(model: nn.Module) -> str | None:
    """The file of `torchvision.models` that defines the module's class, or the one it extends."""
    for kind in type(model).__mro__:
        folder, _, file = kind.__module__.rpartition(".")
        if folder == "torchvision.models" and file in LAYERS:
            return file
    return None


def layer(model: nn.Module) -> str | None:
    """The layer worth explaining, None when the module is not torchvision's or was rebuilt."""
    file = family(model)
    return module_name(model, LAYERS[file]) if file else None


def card_from_weights(architecture: str, weights: Any, at: str | None) -> Card:
    """The card of an architecture with torchvision's own weights, an entry of one of its enums."""
    meta, wants = weights.meta, weights.transforms()
    classes = tuple(meta["categories"] or ())  # weights of the features alone have none
    return Card(
        name=f"torchvision/{architecture}",
        layer=at,
        preprocess=Preprocess(
            resize=int(wants.resize_size[0]),
            crop=(int(wants.crop_size[0]), int(wants.crop_size[0])),
            interpolation=wants.interpolation.value,
            mean=tuple(float(value) for value in wants.mean),
            std=tuple(float(value) for value in wants.std),
        ),
        classes=classes if len(classes) == 1000 else None,
        source=f"torchvision, weights {weights.name} ({meta['recipe']})",
        licence=meta.get("license", LICENCE),
    )


def fitted(card: Card, model: nn.Module) -> Card:
    """The card, changed to the model really built: its input size and number of classes."""
    return _fitted(card, outputs(model), _side(model))


def _fitted(card: Card, count: int | None, side: int | None) -> Card:
    same = card.classes is not None and count == len(card.classes)
    return replace(
        card, preprocess=sized(card.preprocess, side), classes=card.classes if same else None
    )


def _side(model: nn.Module) -> int | None:
    """The one input size that a vision transformer takes; None for a network that takes any."""
    side = vars(model).get("image_size")
    return side if isinstance(side, int) else None


def outputs(model: nn.Module) -> int | None:
    """How many outputs the model's last layer has."""
    top = head(model)
    return width(top[1]) if top else None


def card_of(model: nn.Module) -> Card | None:
    """The card of a module of torchvision, recognised by its class; None for any other module.

    The class does not tell which weights were loaded: preprocessing is the usual one, with the
    input size where the architecture fixes it, and the ImageNet names are given to a head of 1000
    outputs.
    """
    file = family(model)
    if file is None:
        return None
    return _recognised(
        file, type(model).__name__, module_name(model, LAYERS[file]), outputs(model), _side(model)
    )


@lru_cache(maxsize=256)
def _recognised(file: str, kind: str, at: str | None, count: int | None, side: int | None) -> Card:
    usual = Preprocess(resize=342, crop=(299, 299)) if file == "inception" else Preprocess()
    card = Card(
        name=kind,
        layer=at,
        preprocess=usual,
        classes=imagenet_classes(),
        source=(
            f"recognised as torchvision's {kind} by its class; preprocessing and class names are"
            " assumed"
        ),
        licence=LICENCE,
    )
    return _fitted(card, count, side)


def sized(preprocess: Preprocess, size: int | None) -> Preprocess:
    """Vision transformers take one input size only; then the picture is resized in proportion."""
    short = preprocess.resize
    if size is None or preprocess.crop is None or preprocess.crop == (size, size):
        return preprocess
    if isinstance(short, int):
        short = math.floor(short * size / preprocess.crop[0])
    return replace(preprocess, resize=short, crop=(size, size))


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The 1000 short names of ImageNet-1k in their order."""
    from torchvision.models import AlexNet_Weights

    return tuple(AlexNet_Weights.DEFAULT.meta["categories"])
