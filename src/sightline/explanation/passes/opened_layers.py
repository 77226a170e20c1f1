"""One run of the model, opened where the map is to be made: at the layers named, or at a choice."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sightline.errors import LayerError, SightlineError
from sightline.explanation.cuts import Cut, cut_at, cut_of
from sightline.explanation.job import Job
from sightline.explanation.placed import (
    OTHER_ROWS,
    WHOLE,
    Place,
    as_elsewhere,
    lies_right,
    proved,
    run_of,
)
from sightline.surgery import (
    Choice,
    Given,
    LayerNotRunError,
    LayerRun,
    Reads,
    Score,
    Trace,
    Where,
    all_outputs,
    beyond_doubt,
    capture,
    carried,
    choose,
    choose_by_reading,
    distrust,
    in_a_row,
    outputs_read,
    own_rows,
    presumed,
    readable,
    readings,
    search,
    surveyed,
    whole_cut,
)
from sightline.targets import Aim, Question, ask, beyond_classes


@dataclass(frozen=True)
class LayersRun:
    """One run of the model, opened at some cuts, and what was asked of it."""

    trace: Trace
    question: Question
    reads: Reads
    cuts: Sequence[Cut]
    places: Sequence[Place | None]
    grids: Mapping[str, Any]
    call: int


def open_layers(job: Job, layers: Sequence[Where]) -> LayersRun:
    """Run the model once, opened at the layers a caller named, or at the one that is chosen."""
    given = Given.of_supported(job.model, job.batch.inputs)
    # What was found at another size of the picture may not hold at this one.
    try:
        run = _opened(job, given, layers)
    except SightlineError:
        if not presumed(given):
            raise
        distrust(given)
    else:
        if as_elsewhere(given, run.trace.cuts, run.call):
            return run
    return _opened(job, given, layers)


def _opened(job: Job, given: Given, layers: Sequence[Where]) -> LayersRun:
    return _run_at_named(job, given, layers) if layers else _run_at_choice(job, given)


def _run(job: Job, given: Given, cuts: Sequence[Cut], call: int) -> LayersRun:
    grids = {name: grid for cut in cuts for name, grid in cut.grids.items()}
    opening = None
    if job.checked:
        runs = [LayerRun(name, call, grid) for name, grid in grids.items()]
        opening = proved(given, runs, stated=job.grid is not None)
        call, grids = opening.call, opening.grids
    trace = capture(job.model, given, list(grids), call=call, grid=grids)
    score, about = _asked(job)
    if about is None:
        question, reads = job.ask(trace.outputs), Reads()
    else:
        with trace.kept(), readable(trace.outputs):
            question = job.ask(trace.outputs)
            reads = outputs_read(question.scores, trace.outputs)
    places: list[Place | None] = [None] * len(cuts)
    if opening is not None:
        for k, cut in enumerate(cuts):
            parts = [LayerRun(name, call, grids[name]) for name in cut.grids]
            share = carried(given, parts, score, (about, reads))
            own = all(own_rows(given, part) for part in parts)
            places[k] = Place(opening.proof_of(list(cut.grids)) if own else OTHER_ROWS, share)
    return LayersRun(trace, question, reads, cuts, places, grids, call)


def _run_at_named(job: Job, given: Given, layers: Sequence[Where]) -> LayersRun:
    cuts = [cut_at(job.model, layer, job.grid) for layer in layers]
    if job.grid is not None:
        return _side_by_side(_run(job, given, cuts, job.call))
    one = None
    if not surveyed(given):  # nor shall it be, where the shapes say it all
        one = _side_by_side(_run(job, given, cuts, job.call))
        if all(beyond_doubt(layer, given) for layer in one.trace.cuts):
            return one
    special = readings(given, [name for cut in cuts for name in cut.grids], job.call)
    if one is not None and not special:
        return one
    cuts = [replace(cut, grids={name: special.get(name) for name in cut.grids}) for cut in cuts]
    return _side_by_side(_run(job, given, cuts, job.call))


def _side_by_side(run: LayersRun) -> LayersRun:
    """A run that was opened at layers that a caller named together, if they lie side by side.

    Raises `LayerError` for two in a row: what passes through both would count twice.
    """
    for cut in run.cuts:
        row = in_a_row([one for one in run.trace.cuts if one.layer in cut.grids])
        if row is not None:
            raise LayerError(
                f"Expected layers side by side, which make one map together; {row[0]!r} leads to"
                f" {row[1]!r}, and what passes through both would count twice. Name one of them; a"
                " list of layers has a map of each."
            )
    return run


def _run_at_choice(job: Job, given: Given) -> LayersRun:
    """Opened at the last layer on which the outputs depend, or what a target made of them.

    Where that is one branch of several, they are opened together.
    """
    score, about = _asked(job)

    def run(choice: Choice) -> tuple[LayersRun, Reads]:
        call = run_of(choice, job.call)
        if not job.checked or job.grid is not None:
            one = _run(job, given, [cut_of([choice], job.grid)], call)
            return one, one.reads
        choice = lies_right(given, choice, job.call, score, about)
        call = run_of(choice, job.call)
        cut = [choice] if about is not None else _whole(job, given, choice, score, (None, Reads()))
        one = _run(job, given, [cut_of(cut)], call)
        if about is not None:  # what is read is known by now
            cut = _whole(job, given, choice, score, (about, one.reads))
            if len(cut) > 1 or cut[0] != choice:
                one = _run(job, given, [cut_of(cut)], call)
        return one, one.reads

    try:
        if about is None:
            return run(choose(job.model, given, trusting=True))[0]
        return choose_by_reading(given, score, about, run)[1]
    except LayerNotRunError:
        if job.call != -1 or presumed(given):
            raise
        # On noise the model went another way than it does on these pictures.
        return run(search(given, score, on_noise=False)[0])[0]


def _whole(
    job: Job, given: Given, choice: Choice, score: Score, about: Hashable
) -> Sequence[Choice]:
    """The choice; or, where it carries a part of the score, all that carry it together."""
    call = run_of(choice, job.call)
    share = carried(given, [LayerRun(choice.name, call, choice.grid)], score, about)
    if call != -1 or share is None or share >= WHOLE:
        return [choice]
    cut = whole_cut(given, choice, score, about)
    opening = proved(given, [LayerRun(one.name, -1, one.grid) for one in cut], stated=False)
    lie_right = opening.proof_of([one.name for one in cut]).outcome != "contradicted"
    return cut if lie_right else [choice]


def _asked(job: Job) -> tuple[Score, Hashable]:
    """What is asked of outputs, one number an image, and what that is about.

    Classes are asked about together: what one of the logits depends on, all do.
    """
    if not beyond_classes(job.target):
        return all_outputs, None

    def score(outputs: Any) -> Tensor:
        classes, kind = job.card.classes, job.card.outputs
        question = ask(job.target, outputs, classes=classes, kind=kind, size=job.batch.size)
        return question.scores.sum(0)

    return score, _about(job.target)


def _about(target: Any) -> Hashable:
    """What is asked, as far as the layer goes; of a function only that it is one."""
    if isinstance(target, list | tuple):
        return tuple(_about(one) for one in target)
    return type(target), str(target) if isinstance(target, Aim) else ""
