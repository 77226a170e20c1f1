"""From a name to a model: the bundled one, torchvision's, timm's, the hub's, one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from sightline.errors import ModelError, install_advice, near
from sightline.models import bundled, from_hub, from_timm, from_torchvision, own
from sightline.models.card import Card
from sightline.models.import_path import is_import_path
from sightline.models.recognise import describe

LIBRARIES = {"torchvision": from_torchvision, "timm": from_timm}
"""Where named models come from, in the order in which a plain name is looked up."""


class Loaded(NamedTuple):
    """A model in evaluation mode, and its card."""

    model: nn.Module
    card: Card


def load(
    name: str, *, weights: str | Path | None = None, pretrained: bool | None = None, **options: Any
) -> Loaded:
    """The model of that name in evaluation mode, and its card, as `card_of(model)` gives it.

    `lookout` is the bundled model, `torchvision/resnet50` and `timm/resnet50` are the libraries'
    (with `.` and a tag for other weights than the default ones: `resnet50.IMAGENET1K_V1`,
    `timm/resnet50.a1_in1k`); a plain `resnet50` is looked up in torchvision first, then in timm.
    `hf-hub:owner/name` is a model of timm's on the Hugging Face hub. `package.module:name` and
    `file.py:name` are your own, a function or class that makes it or the module itself: their code
    is run. `weights` is a local file, read safely (`read_weights`) and strictly; without one the
    library's weights are downloaded, unless `pretrained` is false: then they are random; your own
    has those it gives. `options` go to the library's builder (`num_classes`, timm's `pad_type`) or
    your own; for a library's the number of classes is taken from the file.

    Raises `ModelError` for an unknown name, a library that is not installed, a download or a file
    that failed, and for what goes wrong in your own code.

    >>> model, card = load("torchvision/squeezenet1_1", pretrained=False)
    >>> model.training, card.layer, card.classes[281]
    (False, 'features.12', 'tabby')
    """
    return load_with(name, weights, pretrained, options)


def load_with(
    name: str, weights: str | Path | None, pretrained: bool | None, options: Mapping[str, Any]
) -> Loaded:
    """`load`, for options that may be called as its own parameters are.

    >>> load_with("torch.nn:Identity", None, None, {}).card.source
    'torch.nn:Identity, weights as it gives them'
    """
    if weights is not None and pretrained:
        raise ModelError(
            f"one source of weights was expected, but '{name}' got a local file and"
            " pretrained=True. Give one of the two."
        )
    if not isinstance(name, str):
        raise ModelError(
            f"the name of a model was expected; got {name!r}. A module needs no loading:"
            " explain(model, images)."
        )
    model, card = _built(name, weights, pretrained, options)
    describe(model, card)
    return Loaded(model, card)


def _built(
    name: str, weights: str | Path | None, pretrained: bool | None, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    if is_import_path(name):
        return own.build(name, weights, pretrained, options)
    download = weights is None and pretrained is not False
    for word in ("weights", "pretrained"):
        if word in options:
            raise ModelError(
                f"'{name}' gets its weights from load and not from its options; got"
                f" {word}={options[word]!r} among them. Give a local file (weights='FILE',"
                " --weights FILE), or take random ones (pretrained=False, --random)."
            )
    if from_hub.is_hub_name(name):
        _need("timm", name)
        return from_hub.build(name, weights, download, options)
    library, rest = _resolve(name)
    if library is None:
        return bundled.build(weights, download, options)
    model, card = LIBRARIES[library].build(rest, weights, download, options)
    return model, _with_library(card, name, library)


def card_for(name: str) -> Card:
    """The card of a model by name: nothing is downloaded, no memory is taken.

    >>> card_for("vgg16").layer, card_for("timm/resnet50.a1_in1k").preprocess.resize
    ('features.29', 235)
    """
    if is_import_path(name) or from_hub.is_hub_name(name):
        raise ModelError(
            f"a card without its model is there for the names of `sightline models`; '{name}' has"
            " to be loaded: load(name).card."
        )
    library, rest = _resolve(name)
    return (
        bundled.card()
        if library is None
        else _with_library(LIBRARIES[library].card_for(rest), name, library)
    )


def known() -> list[str]:
    """The names of all models.

    First `lookout`, then `torchvision/...` and `timm/...` as far as they are installed.

    >>> known()[:2]
    ['lookout', 'torchvision/alexnet']
    """
    return [
        bundled.NAME,
        *(f"{library}/{name}" for library, room in LIBRARIES.items() for name in room.names()),
    ]


def find(pattern: str) -> list[str]:
    """The known names with a pattern in them.

    With `*`, `?` or `[` the pattern must match a whole name.

    The library may be left out. No match is an empty list.

    >>> find("torchvision/resnet1??"), find("resnet5?")[0]
    (['torchvision/resnet101', 'torchvision/resnet152'], 'torchvision/resnet50')
    """
    wild = pattern.lower() if any(sign in pattern for sign in "*?[") else f"*{pattern.lower()}*"
    return [
        name
        for name in known()
        if any(fnmatchcase(n, wild) for n in (name.lower(), _short_name(name).lower()))
    ]


def _resolve(name: str) -> tuple[str | None, str]:
    """The library a name belongs to and the name there; no library for the bundled model."""
    if name == bundled.NAME:
        return None, name
    library, slash, rest = name.partition("/")
    if slash and library in LIBRARIES:
        _need(library, name)
        if rest.partition(".")[0] not in LIBRARIES[library].names():
            raise ModelError(
                f"{library} has no model '{rest}'. {near(rest, LIBRARIES[library].names())}"
            )
        return library, rest
    for library, room in LIBRARIES.items():
        if name.partition(".")[0] in room.names():
            _need(library, name)
            return library, name
    absent = [library for library, room in LIBRARIES.items() if not room.names()]
    hint = (
        f" Not available here: {' and '.join(absent)}. {install_advice('models')}" if absent else ""
    )
    plain = dict.fromkeys(_short_name(full) for full in known())
    near_by = near(name, known() if slash else plain)
    raise ModelError(
        f"there is no model '{name}'. {near_by}{hint} `sightline models` lists them all; one of"
        " your own is package.module:factory or file.py:name."
    )


def _need(library: str, name: str) -> None:
    """Import the library, or say how to get it."""
    try:
        import_module(library)
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another PyTorch
        raise ModelError(
            f"'{name}' needs {library}, which cannot be imported ({error})."
            f" {install_advice('models')}"
        ) from error


def _with_library(card: Card, name: str, library: str) -> Card:
    """A plain name may mean models of several libraries; the card says which one was taken."""
    if "/" in name:
        return card
    return replace(
        card,
        source=f"{card.source}; a plain name is looked up in torchvision first: {library}/{name}",
    )


def _short_name(name: str) -> str:
    return name.rpartition("/")[2]
