"""The automatic layer: the last feature map that still knows where things are.

It is searched for once and remembered, for a model and a shape of inputs.
"""

import weakref
from collections.abc import Hashable
from typing import Any

from torch import nn

from sightline.errors import LayerError
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.supported import fingerprint, made_of
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.influence import Score
from sightline.surgery.layers.search import Choice, search, with_noise
from sightline.surgery.layers.token_grid import survey_layers

_remembered: "weakref.WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Hashable, Choice]]]"
_remembered = weakref.WeakKeyDictionary()
"""For each model, by what is asked and the inputs' shapes: what it was made of, and the choice."""


def choose(
    model: nn.Module, inputs: Any, score: Score | None = None, about: Hashable = None
) -> Choice:
    """The layer to explain when none was named, and why.

    With a `score` it is the last layer on which that depends, not one on which the outputs as a
    whole do; `about` says which score it is, so that the choice can be remembered. Raises
    `LayerError` where there is no feature map at all.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    ... )
    >>> choose(net, torch.rand(1, 3, 8, 8)).name
    '1'
    """
    given = Given.of(model, inputs)
    key = (about, *((tuple(t.shape[1:]), t.dtype) for t in given.tensors))
    known = _remembered.setdefault(given.model, {})
    if key in known:
        then, choice = known[key]
        if then == made_of(given.model) and _has(given.model, choice.name):
            return choice
    choice, general = search(given, score)
    if general and (score is None or about is not None):
        # Taken behind the search, since some models are finished at their first run.
        known[key] = fingerprint(given.model), choice
    return choice


def layers(model: nn.Module, inputs: Any) -> list[Candidate]:
    """Every layer with a grid, in the order of running, the chosen one marked with its reason.

    Where no layer can be chosen (the outputs depend on none) none is marked.
    """
    given = Given.of(model, inputs)
    rows, _ = survey_layers(with_noise(given))
    try:
        choice = choose(model, given)
    except LayerError:
        return rows
    for row in rows:
        row.chosen = choice.reason if choice.name in row.names else ""
    return rows


def _has(model: nn.Module, name: str) -> bool:
    """Whether there is a module of this name: the same ones may have been given others."""
    module: Any = model
    for part in name.split("."):
        module = module._modules.get(part)
        if module is None:
            return False
    return True
