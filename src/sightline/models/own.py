"""A model of one's own by its path: a factory that is called, or a module that is there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from sightline.errors import ModelError, near
from sightline.models.card import Card
from sightline.models.import_path import failed, found_at
from sightline.models.load_weights import load_weights
from sightline.models.recognise import card_of


def build(
    path: str, weights: str | Path | None, pretrained: bool | None, options: Mapping[str, Any]
) -> tuple[nn.Module, Card]:
    """The model at `package.module:name` or `file.py:name` in evaluation mode, and its card.

    The name is a function or a class, which is called with the options, or a module that is ready.
    The weights are those it gives, or those of a local file. `pretrained` is handed on where the
    factory has such an option. The card is the one that the factory gave it with `describe`, or
    what `card_of` finds.
    """
    with found_at(path) as found:
        model = _made(found, path, _with_pretrained(found, path, pretrained, options))
    if weights is not None:
        load_weights(model, weights)
    with suppress(NotImplementedError):  # an exported program has one mode
        model.eval()
    return model, _card(model, path, weights)


def _made(found: Any, path: str, options: Mapping[str, Any]) -> nn.Module:
    if isinstance(found, nn.Module):
        if options:
            raise ModelError(
                f"'{path}' is a {type(found).__name__} that is ready, and takes no options; got"
                f" {', '.join(options)}. Leave them out, or name the function that makes it."
            )
        return found
    if not callable(found):
        raise ModelError(
            f"expected a function, a class or an nn.Module at '{path}'; it is a"
            f" {type(found).__name__}. Name what makes the model."
        )
    _check_options(found, path, options)
    try:
        made = found(**options)
    except (Exception, SystemExit) as error:  # anybody's code can raise anything
        raise failed(f"'{path}'", error) from error
    if isinstance(made, nn.Module):
        return made
    came = f"an object of class {type(made).__name__}"
    if isinstance(made, tuple | list):
        came = f"a {type(made).__name__} of {', '.join(type(one).__name__ for one in made[:4])}"
    raise ModelError(
        f"expected an nn.Module from '{path}'; it gave {came}. Let it return the model alone."
    )


def _check_options(factory: Callable[..., Any], path: str, options: Mapping[str, Any]) -> None:
    """Raise for options that it does not take, and for those that it cannot do without."""
    known = _parameters(factory)
    if known is None:
        return  # written in C, for one: it will say so itself
    names = [name for name, one in known.items() if one.kind in _BY_NAME]
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values()):
        for option in options:
            if option not in names:
                hint = near(option, names) if names else "It has none; leave it out."
                raise ModelError(f"'{path}' has no option '{option}'. {hint}")
    missing = [
        name
        for name, one in known.items()
        if one.default is one.empty and one.kind not in _MANY and name not in options
    ]
    if missing:
        raise ModelError(
            f"'{path}' needs {', '.join(repr(name) for name in missing)}. Give it as"
            f" --model-option {missing[0]}=..., in Python as load(..., {missing[0]}=...), or name"
            " a function that needs nothing."
        )


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _with_pretrained(
    found: Any, path: str, pretrained: bool | None, options: Mapping[str, Any]
) -> Mapping[str, Any]:
    if pretrained is None:
        return options
    known = {} if isinstance(found, nn.Module) else _parameters(found) or {}
    if "pretrained" in known:
        return {"pretrained": pretrained, **options}
    raise ModelError(
        f"the weights of '{path}' are those that it gives, and it has no option 'pretrained': got"
        f" {'pretrained=True' if pretrained else 'random weights (--random, pretrained=False)'}."
        " Leave that out, or give a local file (weights='FILE', --weights FILE)."
    )


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return None


def _card(model: nn.Module, path: str, weights: str | Path | None) -> Card:
    """What is known of it; where that is nothing, it is called by its path."""
    given = "weights as it gives them" if weights is None else f"local file {Path(weights).name}"
    card, source = card_of(model), f"{path}, {given}"
    if card.source.startswith("assumed"):
        return replace(card, name=path, source=source)
    return replace(card, source=f"{source}; {card.source}")
