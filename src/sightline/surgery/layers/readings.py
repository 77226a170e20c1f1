"""How a named layer is read where its shape alone would not tell: as the survey saw it."""

import logging
import weakref
from collections.abc import Hashable, Sequence

from torch import nn

from sightline.surgery.harness.channel_kind import kind_of
from sightline.surgery.harness.fallback import reason
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid, fits
from sightline.surgery.harness.opened_layer import TracedLayer
from sightline.surgery.harness.resolve import Where, resolve
from sightline.surgery.harness.supported import fingerprint, made_of
from sightline.surgery.layers.search import special_grid, with_noise
from sightline.surgery.layers.token_grid import survey_layers

logger = logging.getLogger(__name__)

_Runs = dict[tuple[str, int], Grid | None]
_remembered: "weakref.WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Hashable, _Runs]]]"
_remembered = weakref.WeakKeyDictionary()
"""For each model and shape of inputs: what it was made of, and the readings of all its layers."""


def readings(given: Given, layers: Sequence[Where], call: int = -1) -> dict[str, Grid]:
    """How to read those of these layers whose shapes do not tell it, by their names.

    Looked for once, for a model and a shape of inputs: on one image of noise, as the automatic
    layer is.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv1d(12, 9, 1), nn.Flatten())
    >>> readings(Given.of(net, torch.rand(1, 12, 9)), ["0"])
    {}
    """
    runs = _runs(given)
    names = [resolve(given.model, layer)[0] for layer in layers]
    return {name: grid for name in names if (grid := runs.get((name, call))) is not None}


def beyond_doubt(cut: TracedLayer, given: Given) -> bool:
    """Whether the shape alone says how a layer is read, or its class.

    Of the tokens of a picture it is taken to: how many lie along each axis follows from the
    picture's proportions, and that they lie in another order is found out when the place is proved.

    >>> import torch
    >>> from sightline.surgery.layer_trace import capture
    >>> net = nn.Sequential(nn.Conv2d(3, 64, 3, 4, 1), nn.ReLU())
    >>> given = Given.of(net, torch.rand(1, 3, 64, 64))
    >>> beyond_doubt(capture(net, given, "1").cuts[0], given)
    True
    """
    kind = kind_of(given.model.get_submodule(cut.layer))
    image, size = given.frame.images[2:], cut.grid.size
    if (kind is not None and kind.sure) or cut.grid.kind == "own":
        return True
    if cut.grid.kind == "tokens":
        return len(size) == 2
    first = cut.grid.kind == "channels first" and fits(size, image)
    return first and not fits((cut.activations.shape[1], *size[:-1]), image)


def surveyed(given: Given) -> bool:
    """Whether the readings of this model's layers are known already, for inputs of this shape."""
    known = _remembered.get(given.model, {})
    return given.key in known and known[given.key][0] == made_of(given.model)


def _runs(given: Given) -> _Runs:
    known = _remembered.setdefault(given.model, {})
    if not surveyed(given):
        runs = _look(given)
        # Read behind the survey, since some models are finished at their first run.
        known[given.key] = fingerprint(given.model), runs
    return known[given.key][1]


def _look(given: Given) -> _Runs:
    """The special grid of each run of each layer; -1 is the run that is taken if none is named."""
    shown = with_noise(given)
    try:
        rows, _ = survey_layers(shown)
    except Exception as error:  # whatever a model of somebody's own may raise on noise
        logger.debug("layers are read by their shapes alone: %s", reason(error))
        return {}
    runs: _Runs = {}
    for row in rows:
        grid = special_grid(row, shown)
        for name, run in zip(row.names, row.runs, strict=True):
            runs[name, run] = runs[name, -1] = grid
    return runs
