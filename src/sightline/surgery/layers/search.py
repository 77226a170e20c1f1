"""The search for the automatic layer: look once, rank the layers, take the first that matters.

What counts (in this order, from the end of the network): it has the input's proportions; it is made
by a layer, not passed on by a pool or a dropout; it is no map of classes; it is a stage of the
network, not the inside of an attention; it is at least 4 x 4; the outputs depend on it at more than
one place (behind the last attention of a vision transformer only the class token matters).
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress, groupby
from operator import itemgetter
from typing import Any

from torch import nn

from sightline.errors import SightlineError, SurgeryError
from sightline.surgery.harness.fallback import first_line
from sightline.surgery.harness.feature_map import grid_of
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.grids import Grid
from sightline.surgery.harness.model_io import are_detections, main_output, tensors_in
from sightline.surgery.harness.randomise import noise
from sightline.surgery.harness.supported import is_exported
from sightline.surgery.layers.candidates import Candidate
from sightline.surgery.layers.influence import Score, all_outputs, heads_of_zeros, influences
from sightline.surgery.layers.no_layer import no_feature_map, no_influence, no_layers, no_scores
from sightline.surgery.layers.stages import stages
from sightline.surgery.layers.token_grid import survey_layers
from sightline.surgery.memory.sizes import Seen

logger = logging.getLogger(__name__)

_GROWTH = 8
"""So many times as many layers are looked at by a run as by the one before that found none."""
SMALLEST = 4


@dataclass(frozen=True)
class Choice:
    """A layer and the reason for it.

    `grid` says how to read it where its shape alone would not, `call` which of its runs it is,
    where that is not the one that is taken if none is named. `there` is its grid over the picture
    it was found on, and `left_out` the largest side of a later one that was too small.
    """

    name: str
    reason: str
    grid: Grid | None = None
    call: int = -1
    there: Seen | None = field(default=None, repr=False, compare=False)
    left_out: int = field(default=0, repr=False, compare=False)


def search(
    given: Given,
    score: Score | None,
    without: frozenset[str] = frozenset(),
    *,
    on_noise: bool = True,
) -> tuple[Choice, bool]:
    """The choice, and whether it is the same for other pictures. `without` are layers left out.

    A model that goes other ways by what is on a picture is asked about that, and not `on_noise`.
    """
    if is_exported(given.model):
        raise no_layers(given.model)
    survey = _look_at(given, score, without, on_noise=on_noise)
    ranked = _ranked(survey)
    choice = _first_that_matters(survey, ranked)
    if choice is None and survey.score is not None:
        # What was asked depends on nothing: the layer of the outputs, and the map will say so.
        survey = _look_at(given, None, without, on_noise=on_noise)
        ranked = _ranked(survey)
        choice = _first_that_matters(survey, ranked)
    if choice is None:
        raise no_influence(given, len(ranked.rows))
    return choice, survey.general


def ranking(given: Given, score: Score | None) -> list[Choice]:
    """Every layer that may be explained: the stages, the last first, then what else has a grid.

    Whether the score depends on them is not asked.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten())
    >>> [choice.name for choice in ranking(Given.of(net, torch.rand(1, 3, 9, 9)), None)]
    ['2', '1', '0']
    """
    survey = _look_at(given, score)
    first = _ranked(survey).rows
    rest = [row for row in survey.rows if not (row in first or row.inside or row.passes_on)]
    return [
        Choice(row.name, _reason(row, given, later), special_grid(row, survey.given), row.call)
        for later, row in enumerate([*first, *reversed(rest)])
    ]


@dataclass(frozen=True)
class Survey:
    """What was seen of a model: its layers with a grid, in the order of running, and its outputs.

    `given` is what it was shown, `score` what can be asked of the outputs (None: all of them);
    `general` tells that other pictures would lead to the same layer.
    """

    given: Given
    rows: list[Candidate]
    outputs: Any
    score: Score | None
    general: bool


def _look_at(
    given: Given,
    score: Score | None,
    without: frozenset[str] = frozenset(),
    *,
    on_noise: bool = True,
) -> Survey:
    """On noise, if the score can be asked of that; else on the pictures themselves.

    A box that was found, a row of its own: what is asked for need not be in noise. Detections hang
    on the level of a pyramid they were found on, so these are no general choice.
    """
    shown = with_noise(given) if on_noise else given
    rows, outputs = _survey(shown, without)
    general = on_noise and not are_detections(outputs)
    if score is None or (general and _can_answer(score, outputs)):
        return Survey(shown, rows, outputs, score, general)
    rows, outputs = _survey(given, without)
    if general and not _can_answer(score, outputs):
        if all(not tensor.numel() for tensor in tensors_in(outputs)):
            score(outputs)  # nothing was detected, and the target can say so
        score = None
    return Survey(given, rows, outputs, score, general)


def _survey(given: Given, without: frozenset[str]) -> tuple[list[Candidate], Any]:
    rows, outputs = survey_layers(given)
    return [row for row in rows if without.isdisjoint(row.names)], outputs


def _can_answer(score: Score, outputs: Any) -> bool:
    try:
        return bool(score(outputs).isfinite().all())
    except Exception as error:
        # Whatever a function of the user's own may raise. Asked in earnest it will raise it again.
        logger.debug("the layer is searched on the pictures, not on noise: %s", first_line(error))
        return False


@dataclass(frozen=True)
class _Ranked:
    """The stages of a network, the last first; `left_out` as `Choice` has it."""

    rows: list[Candidate]
    left_out: int


def _ranked(survey: Survey) -> _Ranked:
    """Those with a grid of 4 x 4, if there are any."""
    logits = main_output(survey.outputs)
    if logits is None:
        raise no_scores(survey.given.model, survey.outputs)
    if not survey.rows:
        raise no_feature_map(survey.given)
    pool = stages(survey.rows, survey.outputs, logits)
    small = [row for row in pool if _too_small(row, survey.given)]
    large = [row for row in pool if row not in small]
    left_out = max((min(row.grid.size[-2:]) for row in small), default=0)
    return _Ranked(list(reversed(large or pool)), left_out)


def _too_small(row: Candidate, given: Given) -> bool:
    return min(row.grid.size[-2:]) < min(SMALLEST, *given.size[-2:])


def _first_that_matters(survey: Survey, ranked: _Ranked) -> Choice | None:
    """The first layer that the score depends on; failing that, the first one a head of zeros does.

    Raises the `SurgeryError` of a layer where no graph can be recorded, if no other one will do.
    """
    closed: SurgeryError | None = None
    score = survey.score or all_outputs
    for head in _heads(survey.given.model):
        tries = list(_tries(survey, ranked.rows))
        while tries:
            rows, grid, call = tries.pop(0)
            names = [row.name for row in rows]
            try:
                matter = influences(survey.given, names, grid, score, head, call)
            except (SightlineError, RuntimeError) as error:
                if len(rows) > 1:  # the fault of one of them, perhaps of none that is needed
                    half = len(rows) // 2
                    tries[:0] = [(rows[:half], grid, call), (rows[half:], grid, call)]
                elif isinstance(error, SurgeryError):  # perhaps a graph can be behind another layer
                    closed = error
                else:
                    raise
            else:
                for row in compress(rows, matter):
                    reason = _reason(row, survey.given, ranked.rows.index(row))
                    there = Seen.of(survey.given, row.grid, row.grid.size)
                    return Choice(row.name, reason, grid, call, there, ranked.left_out)
    if closed is not None:
        raise closed
    return None


def _tries(
    survey: Survey, ranked: list[Candidate]
) -> Iterator[tuple[list[Candidate], Grid | None, int]]:
    """Which rows are looked at by one run, how to read them if their shapes do not tell, and which
    of their runs they are.

    The first is mostly the one. Where it is not, none is for a while: behind the last attention of
    a vision transformer only the class token counts, and a head beside a decoder of fifty layers
    hangs on none of them. So those go together, ever more at once.
    """
    read = [(row, special_grid(row, survey.given), row.call) for row in ranked]
    yield from (([row], grid, call) for row, grid, call in read[:1])
    for (grid, call), alike in groupby(read[1:], key=itemgetter(1, 2)):
        rows, most = [row for row, *_ in alike], _GROWTH
        while rows:
            yield rows[:most], grid, call
            rows, most = rows[most:], most * _GROWTH


def special_grid(row: Candidate, given: Given) -> Grid | None:
    """How a layer is to be read, where its shape alone would not tell it."""
    return row.grid if row.grid != grid_of(row.shape, given.frame.images) else None


def _heads(model: nn.Module) -> Iterator[nn.Module | None]:
    yield None
    yield from heads_of_zeros(model)  # looked for only where the outputs depend on no layer


def _reason(row: Candidate, given: Given, later: int) -> str:
    """In words; `later` is how many layers behind this one had been tried in vain."""
    grid = " x ".join(str(s) for s in row.grid.size)
    text = f"the last feature map ({row.channels} channels, {grid} places"
    text += ", tokens)" if row.grid.kind == "tokens" else ")"
    if _too_small(row, given):
        text += "; the input is so small that no later stage keeps a 4 x 4 grid"
    if later:
        text += (
            f"; the outputs do not depend on the places of the {later} later"
            f" one{'s' if later > 1 else ''}"
        )
    return text


def with_noise(given: Given) -> Given:
    """Noise in the place of the images, one image of it for a plain batch.

    The layer follows from the network, not from what is on a picture: a first one that is black or
    broken would else decide for all that come after it. Beside other inputs there is noise for each
    image: what else belongs to an image is not known.
    """
    image = given.image[:1] if given.batch_only else given.image
    return given.with_image(noise(tuple(image.shape), image))
