"""The cards of timm's models, read from the description timm keeps with each set of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Any, Literal

from torch import nn

from sightline.models.card import Card
from sightline.models.structure import head, width
from sightline.types import Preprocess


def card_from_config(
    config: Mapping[str, Any], outputs: int | None = None, size: Any = None
) -> Card:
    """The card of a `pretrained_cfg`.

    `outputs` and `size` are those of the model at hand, if they differ.

    timm resizes the short side to `input size / crop_pct`, rounded down. Where it squashes a
    picture or adds a border instead, the card crops the centre and its source says so. No layer is
    named: sightline chooses.
    """
    count = config.get("num_classes") if outputs is None else outputs
    names = config.get("label_names")
    mode = config.get("crop_mode") or "center"
    name = ".".join(filter(None, (config.get("architecture"), config.get("tag")))) or "unnamed"
    origin = next(
        (config[key] for key in ("hf_hub_id", "origin_url", "url") if config.get(key)), "no weights"
    )
    source = f"timm, {origin}" + (
        f" (its crop mode '{mode}' is replaced by a centre crop)" if mode != "center" else ""
    )
    return Card(
        name=f"timm/{name}",
        layer=None,
        preprocess=preprocess(config, size),
        classes=tuple(names) if names and len(names) == count else _classes(count or 0),
        source=source,
        licence=config.get("license") or "unknown, see source",
    )


def card_of(model: nn.Module) -> Card | None:
    """The card of a model built by timm, from the description it carries.

    None for any other module.
    """
    config = vars(model).get("pretrained_cfg") or vars(model).get("default_cfg")
    if is_dataclass(config) and not isinstance(config, type):
        config = asdict(config)
    if not isinstance(config, Mapping) or "input_size" not in config:
        return None
    return card_from_config(
        config, outputs(model), getattr(getattr(model, "patch_embed", None), "img_size", None)
    )


def outputs(model: nn.Module) -> int | None:
    """How many outputs a timm model has now, also after its head was exchanged by hand."""
    get_classifier = getattr(model, "get_classifier", None)
    classifier = get_classifier() if callable(get_classifier) else None
    top = classifier if isinstance(classifier, nn.Module) else None
    found = width(top)
    if found is None and top is not None and (inner := head(top)):
        found = width(inner[1])
    count = getattr(model, "num_classes", None)
    return found if found is not None else count if isinstance(count, int) else None


def preprocess(config: Mapping[str, Any], size: Any = None) -> Preprocess:
    """How timm prepares a picture for evaluation.

    >>> preprocess(
    ...     {"input_size": (3, 224, 224), "crop_pct": 0.9, "interpolation": "bicubic"}
    ... ).resize
    248
    """
    _, height, width = config["input_size"]
    if isinstance(size, tuple | list) and len(size) == 2:
        height, width = size
    # A picture must cover the crop: of a crop_pct above 1, or an oblong crop, timm would pad the
    # rest.
    short = max(height, width, math.floor(max(height, width) / (config.get("crop_pct") or 0.875)))
    how: Literal["bilinear", "bicubic"] = (
        "bilinear" if config.get("interpolation") == "bilinear" else "bicubic"
    )
    usual = Preprocess()
    return Preprocess(
        resize=short,
        crop=(int(height), int(width)),
        interpolation=how,
        mean=tuple(float(value) for value in config.get("mean", usual.mean)),
        std=tuple(float(value) for value in config.get("std", usual.std)),
    )


@cache
def _classes(count: int) -> tuple[str, ...] | None:
    """The names of the ImageNet set with so many classes, by which timm tells the sets apart."""
    if count == 1000:
        from sightline.models.torchvision_cards import imagenet_classes

        return imagenet_classes()  # timm needs torchvision
    from timm.data import ImageNetInfo, infer_imagenet_subset

    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return None
    return tuple(text.split(",")[0] for text in ImageNetInfo(subset).label_descriptions())
