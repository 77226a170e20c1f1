"""Models of timm's on the Hugging Face hub, by timm's own names for them: `hf-hub:owner/name`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sightline.errors import ModelError
from sightline.models import from_timm
from sightline.models.card import Card
from sightline.models.download import reach

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The files in which timm keeps a model's weights."""


def is_hub_name(name: str) -> bool:
    """Whether it is one of timm's names for models on the hub.

    >>> is_hub_name("hf-hub:timm/resnet18.a1_in1k"), is_hub_name("timm/resnet18.a1_in1k")
    (True, False)
    """
    return name.startswith(("hf-hub:", "hf_hub:"))


def build(
    name: str, weights: str | Path | None, pretrained: bool, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    """The model in evaluation mode and its card; its architecture is fetched in any case.

    What an earlier download has left is taken without asking the hub.
    """
    hub = name.partition(":")[2]
    if hub.count("/") != 1 or not all(hub.split("/")):
        raise ModelError(f"expected hf-hub:owner/name; got '{name}'. Write it as the hub does.")
    known = hub.removeprefix("timm/").partition("@")[0] if hub.startswith("timm/") else ""
    if known.partition(".")[0] not in from_timm.names():
        known = ""
    config = _cached(hub)
    folder = None if config is None else config.parent
    try:
        _check(name, config or _fetched(name, hub, known))
    except ModelError:
        if weights is None or not known:
            raise
        return from_timm.build(known, weights, False, options)
    whole = folder and (not pretrained or any((folder / file).exists() for file in WEIGHTS))
    called = f"local-dir:{folder}" if whole and _reads_folders() else name
    if weights is not None:
        return from_timm.from_file(called, Path(weights), options)
    with _fetching(name, known):
        model = from_timm.built(called, {**options, "pretrained": pretrained})
    card = replace(from_timm.described(model), source=f"timm, {hub}")
    if not pretrained:
        card = replace(card, source=f"random weights; all else as for {card.source}")
    return model, card


def _cached(hub: str) -> Path | None:
    """What an earlier download has left of the file that says which architecture it is."""
    from huggingface_hub import try_to_load_from_cache

    repo, _, revision = hub.partition("@")
    config = try_to_load_from_cache(repo, "config.json", revision=revision or None)
    return Path(config) if isinstance(config, str) else None


def _reads_folders() -> bool:
    """Whether this version of timm reads a model from a folder, as one from the hub."""
    from timm.models import _hub

    return hasattr(_hub, "load_model_config_from_path")


def _fetched(name: str, hub: str, known: str) -> Path:
    """The same file from the hub; else an error with the ways out."""
    from huggingface_hub import constants, hf_hub_download

    repo, _, revision = hub.partition("@")
    with _fetching(name, known):
        if not constants.HF_HUB_OFFLINE:
            reach(constants.ENDPOINT, name)
        return Path(hf_hub_download(repo, "config.json", revision=revision or None))


def _check(name: str, config: Path) -> None:
    """Raise `ModelError` unless timm knows the architecture."""
    architecture = json.loads(config.read_text(encoding="utf-8")).get("architecture")
    if architecture is None:
        raise ModelError(
            f"'{name}' is no model of timm's: its config.json names no architecture of timm's. A"
            " model of another library, such as transformers, is loaded by a function of yours:"
            " package.module:factory."
        )
    if architecture not in from_timm.names():
        raise ModelError(
            f"'{name}' is of the architecture '{architecture}', which this version of timm does"
            " not know. Take a newer timm."
        )


@contextmanager
def _fetching(name: str, known: str) -> Iterator[None]:
    """Turn whatever a failed download raises into a `ModelError` with the ways out."""
    try:
        yield
    except (ModelError, OSError, RuntimeError) as error:
        cause = error.__cause__ if isinstance(error, ModelError) else error
        if not isinstance(cause, OSError | RuntimeError):
            raise
        reason = str(getattr(cause, "reason", None) or cause).splitlines()[0][:200]
        instead = f"timm/{known}" if known else "timm/ARCHITECTURE (its config.json names it)"
        raise ModelError(
            f"'{name}' could not be fetched from the Hugging Face hub: {reason}. Check the name and"
            " the connection, or fetch its weights elsewhere and give the file:"
            f" --model {instead} --weights FILE, in Python load('{instead.partition(' ')[0]}',"
            " weights='FILE')."
        ) from error
