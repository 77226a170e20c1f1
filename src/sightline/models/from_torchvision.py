"""Classifiers of torchvision by name, with its own weights, those in a file, or random ones."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path, PurePath
from typing import Any, cast

import torch
from torch import Tensor, nn

from sightline.errors import ModelError, near
from sightline.models.card import Card
from sightline.models.checkpoint import read_weights
from sightline.models.download import downloading, reach
from sightline.models.load_weights import fit
from sightline.models.local_file import built_for, card_of_file
from sightline.models.torchvision_cards import LAYERS, card_from_weights, fitted, layer

logger = logging.getLogger(__name__)


@cache
def names() -> tuple[str, ...]:
    """The classifiers of torchvision, without prefix; none when torchvision is not installed."""
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another PyTorch
        logger.debug("torchvision has no models here: %s", error)
        return ()
    return tuple(models.list_models(module=models))


def card_for(name: str) -> Card:
    """The card of `resnet50`, or with weights that are not the default of `resnet50.IMAGENET1K_V1`.

    Nothing is downloaded; at most the model is built without memory to name its layer.
    """
    architecture, weights = _weights(name)
    return card_from_weights(architecture, weights, _layer(architecture))


def build(
    name: str, weights: str | Path | None, pretrained: bool, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    """The model in evaluation mode and its card.

    Weights come from a local file if one is given, else from torchvision's download, else they are
    random. A file brings its number of classes, and for a vision transformer its input size; when
    it is named as torchvision's download is, it gets the card of just these weights.
    """
    architecture, enum = _weights(name)
    if weights is not None:
        return _from_file(architecture, enum, Path(weights), options)
    if pretrained:
        if not (Path(torch.hub.get_dir()) / "checkpoints" / PurePath(enum.url).name).exists():
            reach(enum.url, f"torchvision/{name}")
        with downloading(f"torchvision/{name}"):
            model = _built(architecture, {**options, "weights": enum})
        return model, fitted(card_from_weights(architecture, enum, layer(model)), model)
    model = _built(architecture, {**_own(architecture, {}), **options})
    card = fitted(card_from_weights(architecture, enum, layer(model)), model)
    return model, replace(
        card, source=f"random weights; preprocessing and class names as for {card.source}"
    )


def _weights(name: str) -> tuple[str, Any]:
    """`resnet50.IMAGENET1K_V1` as the architecture and torchvision's entry for the weights."""
    from torchvision.models import get_model_weights

    architecture, _, tag = name.partition(".")
    if architecture not in names():
        raise ModelError(
            f"torchvision has no classifier '{architecture}'. {near(architecture, names())}"
        )
    offered = get_model_weights(architecture).__members__
    if tag and tag not in offered:
        raise ModelError(
            f"torchvision has no weights '{tag}' for {architecture}. {near(tag, offered)}"
        )
    return architecture, offered[tag] if tag else get_model_weights(architecture).DEFAULT


def _from_file(
    architecture: str, enum: Any, file: Path, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    from torchvision.models import get_model_weights

    stored = _renamed(architecture, read_weights(file))
    wanted = {**_own(architecture, stored), **_image_size(architecture, stored), **options}
    model = built_for(stored, partial(_built, architecture), wanted)
    fit(model, stored, file.name)
    known = [
        entry for entry in get_model_weights(architecture) if PurePath(entry.url).stem == file.stem
    ]
    card = fitted(card_from_weights(architecture, known[0] if known else enum, layer(model)), model)
    return model, (
        replace(card, source=f"local file {file.name}: {card.source}")
        if known
        else card_of_file(card, file.name)
    )


def _built(architecture: str, options: Mapping[str, Any]) -> nn.Module:
    from torchvision.models import get_model

    try:
        return cast(nn.Module, get_model(architecture, **options)).eval()
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items() if key != "weights")
        raise ModelError(
            f"torchvision cannot build {architecture} with {given or 'its default options'}:"
            f" {error}. The options are those of torchvision.models.{architecture}."
        ) from error


def _own(architecture: str, stored: Mapping[str, Tensor]) -> dict[str, Any]:
    """What torchvision sets when it loads its own weights, for the two families that need it.

    Their weights expect another normalisation than all others; `transform_input` turns the usual
    one into it.
    """
    if architecture not in ("googlenet", "inception_v3"):
        return {}
    if not stored:
        return {"init_weights": False}  # the slow one warns
    auxiliary = any(key.startswith(("aux1.", "AuxLogits.")) for key in stored)
    return {"init_weights": False, "transform_input": True, "aux_logits": auxiliary}


def _image_size(architecture: str, stored: Mapping[str, Tensor]) -> dict[str, Any]:
    """The input size of a vision transformer's weights, from the number of its positions."""
    positions, patches = stored.get("encoder.pos_embedding"), stored.get("conv_proj.weight")
    if not architecture.startswith("vit_") or positions is None or patches is None:
        return {}
    return {"image_size": math.isqrt(positions.shape[1] - 1) * patches.shape[-1]}


def _renamed(architecture: str, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """The files of DenseNets date from when `norm1` was called `norm.1`."""
    if not architecture.startswith("densenet"):
        return stored
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): t
        for key, t in stored.items()
    }


@cache
def _layer(architecture: str) -> str | None:
    """The layer worth explaining of an architecture that is not built yet."""
    from torchvision.models import get_model_builder

    path = LAYERS.get(get_model_builder(architecture).__module__.rpartition(".")[2])
    if path is None or "-" not in path:
        return path
    with torch.device("meta"):
        return layer(_built(architecture, {}))
