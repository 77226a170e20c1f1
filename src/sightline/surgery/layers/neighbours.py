"""The layers beside the automatic one: what another rule would have taken."""

import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from torch import nn

from sightline.errors import LayerError, near
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.model_io import main_output
from sightline.surgery.harness.resolve import Where, resolve
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.choose import choose
from sightline.surgery.layers.search import Choice, with_noise
from sightline.surgery.layers.stages import stages
from sightline.surgery.layers.token_grid import survey_layers

_BEHIND = 6


def neighbours(model: nn.Module, inputs: Any) -> list[tuple[Candidate, int]]:
    """The automatic layer and those beside it among the model's stages, with their distances.

    In the order of running. Those beside it are the one just before, the block before that (what
    holds convolutions or linear layers), the last one with a finer grid, and what comes behind, six
    at most. A distance is the number of stages from the automatic one.

    >>> import torch
    >>> net = nn.Sequential(
    ...     nn.Conv2d(3, 4, 3),
    ...     nn.ReLU(),
    ...     nn.Conv2d(4, 4, 3, 2),
    ...     nn.ReLU(),
    ...     nn.AdaptiveAvgPool2d(1),
    ...     nn.Flatten(),
    ...     nn.Linear(4, 2),
    ... )
    >>> [(row.name, distance) for row, distance in neighbours(net, torch.rand(1, 3, 12, 12))]
    [('1', -2), ('2', -1), ('3', 0)]
    """
    given = Given.of(model, inputs)
    pool, at = _stages(given)
    same = [pool[k].grid.size == pool[at].grid.size for k in range(at)]
    finer = [k for k in range(at) if not same[k]][-1:]
    block = [k for k in range(at - 1) if same[k] and _is_block(given.model, pool[k])][-1:]
    kept = sorted({*finer, *block, *range(max(0, at - 1), min(len(pool), at + 1 + _BEHIND))})
    return [(pool[k], k - at) for k in kept if k == at or np.prod(pool[k].grid.size) > 1]


def with_automatic(
    model: nn.Module, inputs: Any, layers: Where | Sequence[Where]
) -> list[tuple[Candidate, int]]:
    """These layers and the automatic one, with the numbers of layers between."""
    listed = layers if isinstance(layers, list | tuple) else [layers]
    given = Given.of(model, inputs)
    names = [resolve(given.model, cast(Where, layer))[0] for layer in listed]
    rows, _ = survey_layers(with_noise(given))
    choice = choose(given.model, given)
    at = next(k for k, row in enumerate(rows) if _is_choice(row, choice))
    where = {name: k for k, row in enumerate(rows) for name in row.names}
    for name in names:
        if name not in where:
            raise LayerError(f"Expected layers with a grid; {name!r} has none. {near(name, where)}")
    if not names:
        raise LayerError(
            "Expected at least one layer to compare; got none. Leave layers= out for those"
            " beside it."
        )
    return [(rows[k], k - at) for k in sorted({at, *(where[name] for name in names)})]


def _stages(given: Given) -> tuple[list[Candidate], int]:
    """The model's stages and blocks in the order of running, and which is the automatic layer."""
    # On the noise that the choice is made on, or the chosen layer may be none of the rows.
    rows, outputs = survey_layers(with_noise(given))
    logits = main_output(outputs)
    choice = choose(given.model, given)
    held = {id(row) for row in stages(rows, outputs, logits)} if logits is not None else set()
    kept = [
        row
        for row in rows
        if _is_choice(row, choice)
        or (
            row.call == -1  # what runs on later is not what its name stands for
            and (id(row) in held or (not row.inside and _is_block(given.model, row)))
        )
    ]
    return kept, next(k for k, row in enumerate(kept) if _is_choice(row, choice))


def _is_choice(row: Candidate, choice: Choice) -> bool:
    return choice.name in row.names and choice.call == row.call


def _is_block(model: nn.Module, row: Candidate) -> bool:
    """Whether a layer is made of several, one of them convolutional or linear.

    An attention or MLP alone is none.
    """
    module = model.get_submodule(row.name)
    several = any(True for _ in module.children()) and not re.search(
        "(?i)mlp|attention", type(module).__name__
    )
    return several and any(isinstance(one, nn.Conv2d | nn.Linear) for one in module.modules())
