"""Classifiers of timm by name, with its own weights, those in a local file, or random ones."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from sightline.errors import ModelError, near
from sightline.models.card import Card
from sightline.models.checkpoint import read_weights
from sightline.models.download import downloading, reach
from sightline.models.load_weights import fit, misfit
from sightline.models.local_file import built_for, card_of_file
from sightline.models.timm_cards import card_from_config, card_of

logger = logging.getLogger(__name__)


@cache
def names() -> tuple[str, ...]:
    """The architectures of timm, without prefix; none when timm is not installed."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another PyTorch
        logger.debug("timm has no models here: %s", error)
        return ()
    return tuple(timm.list_models())


def card_for(name: str) -> Card:
    """The card of `resnet50`, or of other weights than the default ones, `resnet50.a1_in1k`."""
    return card_from_config(_config(name).to_dict())


def build(
    name: str, weights: str | Path | None, pretrained: bool, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    """The model in evaluation mode and its card.

    Weights come from a local file if one is given, else from timm's download, else they are random.
    A file brings its number of classes. Where its names are not timm's, timm's own translation for
    the family is tried.
    """
    config = _config(name)
    if weights is not None:
        return from_file(name, Path(weights), options)
    if not pretrained:
        model = built(name, options)
        card = described(model)
        return model, replace(
            card, source=f"random weights; preprocessing and class names as for {card.source}"
        )
    if not config.has_weights:
        raise ModelError(
            f"timm has no pretrained weights for '{name}'. Give a local file (weights='FILE',"
            " --weights FILE), or take random weights (pretrained=False)."
        )
    found = _cached(config)
    if not found:
        _reach(config, name)
    overlay = {**found, **(options.get("pretrained_cfg_overlay") or {})}
    with downloading(f"timm/{name}"):
        model = built(name, {**options, "pretrained": True, "pretrained_cfg_overlay": overlay})
    return model, described(model)


def _config(name: str) -> Any:
    """timm's description of the weights a name stands for."""
    import timm
    from timm.models import get_pretrained_cfg

    architecture, _, tag = name.partition(".")
    if architecture not in names():
        raise ModelError(f"timm has no model '{architecture}'. {near(architecture, names())}")
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise ModelError(f"timm has no weights '{tag}' for {architecture}. {near(tag, tags)}")
    return get_pretrained_cfg(name)


def from_file(name: str, file: Path, options: Mapping[str, Any]) -> tuple[nn.Module, Card]:
    """The model with the weights of a local file, and as many classes as they have."""
    stored = read_weights(file)
    model = built_for(stored, partial(built, name), options)
    if misfit(model, stored):
        stored = _translated(stored, model)
        model = built_for(stored, partial(built, name), options)
    fit(model, stored, file.name)
    return model, card_of_file(described(model), file.name)


def _translated(stored: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Weights under timm's names, not their authors', by its own function for the family."""
    translate = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if translate is None:
        return stored
    try:
        translated = cast(dict[str, Tensor], translate(dict(stored), model))
    except Exception as error:
        # not made for this file either; the message about the names in it is the helpful one
        logger.debug("timm's own translation of names failed: %s", error)
        return stored
    return translated


def built(name: str, options: Mapping[str, Any]) -> nn.Module:
    """timm's model in evaluation mode."""
    import timm

    try:
        return cast(nn.Module, timm.create_model(name, **options)).eval()
    except (TypeError, ValueError, AssertionError) as error:
        given = ", ".join(
            f"{key}={value!r}" for key, value in options.items() if key != "pretrained"
        )
        raise ModelError(
            f"timm cannot build {name} with {given or 'its default options'}: {error}. "
            "The options are those of timm.create_model."
        ) from error


def described(model: nn.Module) -> Card:
    """The card of a model that timm built."""
    card = card_of(model)
    if card is None:
        raise ModelError(
            f"timm built a {type(model).__name__} without a description. Use another version of"
            " timm."
        )
    return card


def _cached(config: Any) -> dict[str, Any]:
    """The file of an earlier download, as entries of a `pretrained_cfg`.

    timm itself would ask the server first.
    """
    from huggingface_hub import try_to_load_from_cache

    if not config.hf_hub_id or config.hf_hub_filename:
        return {}
    for file in ("model.safetensors", "pytorch_model.bin"):
        found = try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(found, str):
            return {"file": found, "custom_load": False}
    return {}


def _reach(config: Any, name: str) -> None:
    """Find out in seconds what the hub's client finds out in a minute, unless it is offline."""
    from huggingface_hub import constants

    if config.hf_hub_id and not constants.HF_HUB_OFFLINE:
        reach(constants.ENDPOINT, f"timm/{name}")
