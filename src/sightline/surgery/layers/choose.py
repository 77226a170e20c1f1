"""The automatic layer: the last feature map that still knows where things are.

It is searched for once and remembered, for a model and a shape of inputs.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sightline.errors import LayerError, SurgeryError
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.model_io import tensors_in
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.influence import Score
from sightline.surgery.layers.known_choices import Reads, keep_choice, known_choices
from sightline.surgery.layers.search import Choice, search, with_noise
from sightline.surgery.layers.token_grid import survey_layers

_OUTPUTS = "the outputs as a whole"
"""What is asked about where no score is."""

T = TypeVar("T")


def choose(
    model: nn.Module, inputs: Any, score: Score | None = None, *, trusting: bool = False
) -> Choice:
    """The layer to explain when none was named, and why.

    With a `score` it is the last layer on which that depends, not one on which the outputs as a
    whole do, and is searched for anew. Who is `trusting` takes what was chosen at another size of
    the picture, and asks `holds` once the layer has run at this one. Raises `LayerError` where
    there is no feature map at all.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2)
    ... )
    >>> choose(net, torch.rand(1, 3, 8, 8)).name
    '1'
    """
    given = Given.of(model, inputs)
    if score is None:
        known = known_choices(given, _OUTPUTS, trusting=trusting).get(())
        if known is not None and _has(given.model, known.name):
            return known
    choice, general = search(given, score)
    if general and score is None:
        keep_choice(given, _OUTPUTS, choice)
    return choice


def choose_by_reading(
    given: Given,
    score: Score,
    about: Hashable,
    run: Callable[[Choice], tuple[T, Reads]],
) -> tuple[Choice, T]:
    """The layer for a score of the outputs, and what `run` made of it.

    `run` runs the model at a choice; it returns what it made, and what the score reads. A choice is
    remembered by that: the one of the last call is tried first, and another is taken and run where
    this score reads other outputs. Who wrote the function is not asked: a fresh lambda that reads
    the same has the same layer. What was chosen at another size of the picture is taken over: ask
    `holds` once the layer has run.
    """
    choices = known_choices(given, about, trusting=True)
    last = next(reversed(choices.values()), None)
    choice, general = search(given, score) if last is None else (last, True)
    found, reads = run(choice)
    if last is not None and choices.get(reads) != last:
        choice, general = (choices[reads], True) if reads in choices else search(given, score)
        if choice != last:
            found, _ = run(choice)
    if general:
        keep_choice(given, about, choice, reads)
    return choice, found


@contextmanager
def readable(outputs: Any) -> Iterator[None]:
    """Inside, every tensor in the outputs wants a derivative, not only what lies behind a layer.

    The graph begins at the layer that was opened, and other outputs may have been made before it.
    """
    closed = [
        one
        for one in tensors_in(outputs)
        if one.is_floating_point() and not one.requires_grad and not one.is_inference()
    ]
    try:
        for one in closed:
            one.requires_grad_()
        yield
    finally:
        for one in closed:
            one.requires_grad_(False)


def outputs_read(scores: Tensor, outputs: Any) -> Reads:
    """Which of the tensors in the outputs the scores depend on, asked inside `readable`.

    >>> import torch
    >>> one, other = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    >>> outputs_read((2 * other).sum(), {"one": one, "other": other})
    ((1, ()),)
    """
    tensors = list(tensors_in(outputs))
    live = [k for k, one in enumerate(tensors) if one.requires_grad]
    if not scores.requires_grad or not live:
        return ()
    found = torch.autograd.grad(
        scores.sum(), [tensors[k] for k in live], retain_graph=True, allow_unused=True
    )
    read = [(k, g != 0) for k, g in zip(live, found, strict=True) if g is not None]
    return tuple((k, _extent(where)) for k, where in read if bool(where.any()))


def _extent(where: Tensor) -> tuple[str, ...]:
    """How much is read of the tokens of `[b, n, c]`, of the places of `[b, k, *s]`."""
    places = range(1, 2) if where.ndim == 3 else range(2, where.ndim)
    axes = [where.movedim(axis, 0).flatten(1).any(1) for axis in places]
    return tuple(
        "all" if bool(one.all()) else "first" if int(one.sum()) == int(one[0]) else "some"
        for one in axes
    )


def layers(model: nn.Module, inputs: Any, *, axes: Any = None) -> list[Candidate]:
    """Every layer with a grid, in the order of running, the chosen one marked with its reason.

    A layer that runs several times has a row for each run; to explain one of them say its `call`.
    Where no layer can be chosen (the outputs depend on none) none is marked. `axes` as in
    `explain`.
    """
    given = Given.of(model, inputs, axes=axes)
    rows, _ = survey_layers(with_noise(given))
    try:
        choice = choose(model, given)
    except (LayerError, SurgeryError):
        return rows
    for row in rows:
        chosen = choice.name in row.names and choice.call == row.call
        row.chosen = choice.reason if chosen else ""
    return rows


def _has(model: nn.Module, name: str) -> bool:
    """Whether there is a module of this name: the same ones may have been given others."""
    module: Any = model
    for part in name.split("."):
        module = module._modules.get(part)
        if module is None:
            return False
    return True
