"""Through the model to a layer, and on to the maps."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.explanation.assemble import NewMaps, Origin, assemble
from sightline.explanation.cuts import Cut, cut_at, cut_of, joined
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.method_inputs import MethodInputs
from sightline.explanation.passes.reruns import Reruns
from sightline.explanation.placed import WHOLE, Place, as_elsewhere, lies_right, proved, run_of
from sightline.explanation.plan import Step
from sightline.maps.combine import combine
from sightline.maps.upsample import extremes, image_map
from sightline.supply import Supply
from sightline.surgery import (
    Choice,
    Given,
    LayerRun,
    Reads,
    Score,
    Trace,
    TracedLayer,
    Where,
    all_outputs,
    beyond_doubt,
    capture,
    carried,
    choose,
    choose_by_reading,
    outputs_read,
    readable,
    readings,
    surveyed,
    whole_cut,
)
from sightline.targets import Aim, Question, ask, beyond_classes
from sightline.tensors import autocast_dtype, unexpanded, without_autocast


def through_layers(job: Job, plan: Sequence[Step], layers: Sequence[Where]) -> Found:
    """Run once, open every layer, weigh by every method."""
    given = Given.of_supported(job.model, job.batch.inputs)
    run = _opened(job, given, layers)
    if not as_elsewhere(given, run.trace.cuts, run.call):
        run = _opened(job, given, layers)
    trace, question = run.trace, run.question
    inputs = MethodInputs(trace, question, job.sign, _reruns(job, trace, question, run.grids))
    found: Found = {}
    with inputs, torch.no_grad(), without_autocast(job.batch.picture.device):
        for cut, place in zip(run.cuts, run.places, strict=True):
            parts = [k for k, one in enumerate(trace.cuts) if one.layer in cut.grids]
            origin = Origin(
                cut.name,
                cut.reason,
                tuple(trace.cuts[k] for k in parts),
                partial(_connected, inputs, parts),
                place,
            )
            tally = _Tally()
            for step in plan:
                wanted = step.method.requests
                supplies = [inputs.of(k, wanted, tally) for k in parts]
                maps = _maps(step, supplies, job, origin.traced)
                counts = tally.taken(len(question.scores) * len(job.batch))
                notes = [note for k in parts for note in inputs.notes(k, step.name, wanted)]
                found[step.name, cut.name] = assemble(
                    job, question, step, maps, origin, counts=counts, notes=notes
                )
    return found


def _opened(job: Job, given: Given, layers: Sequence[Where]) -> "_Run":
    if layers:
        return _run_at_named(job, given, layers)
    return _run_at_choice(job, given)


def _connected(inputs: MethodInputs, parts: Sequence[int]) -> bool:
    return any(inputs.connected(k) for k in parts)


@dataclass(frozen=True)
class _Run:
    """One run of the model, opened at some cuts, and what was asked of it."""

    trace: Trace
    question: Question
    reads: Reads
    cuts: Sequence[Cut]
    places: Sequence[Place | None]
    grids: Mapping[str, Any]
    call: int


def _run(job: Job, given: Given, cuts: Sequence[Cut], call: int) -> _Run:
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
        with readable(trace.outputs):
            question = job.ask(trace.outputs)
            reads = outputs_read(question.scores, trace.outputs)
    places: list[Place | None] = [None] * len(cuts)
    if opening is not None:
        for k, cut in enumerate(cuts):
            parts = [LayerRun(name, call, grids[name]) for name in cut.grids]
            share = carried(given, parts, score, (about, reads))
            places[k] = Place(opening.proof_of(list(cut.grids)), share)
    return _Run(trace, question, reads, cuts, places, grids, call)


def _run_at_named(job: Job, given: Given, layers: Sequence[Where]) -> _Run:
    cuts = [cut_at(job.model, layer, job.grid) for layer in layers]
    if job.grid is not None:
        return _run(job, given, cuts, job.call)
    one = None
    if not surveyed(given):  # nor shall it be, where the shapes say it all
        one = _run(job, given, cuts, job.call)
        if all(beyond_doubt(layer, given) for layer in one.trace.cuts):
            return one
    special = readings(given, [name for cut in cuts for name in cut.grids], job.call)
    if one is not None and not special:
        return one
    cuts = [replace(cut, grids={name: special.get(name) for name in cut.grids}) for cut in cuts]
    return _run(job, given, cuts, job.call)


def _run_at_choice(job: Job, given: Given) -> _Run:
    """Opened at the last layer on which the outputs depend, or what a target made of them.

    Where that is one branch of several, they are opened together.
    """
    score, about = _asked(job)

    def run(choice: Choice) -> tuple[_Run, Reads]:
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

    if about is None:
        return run(choose(job.model, given))[0]
    return choose_by_reading(given, score, about, run)[1]


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


def _maps(
    step: Step,
    supplies: Sequence[Sequence[Supply]],
    job: Job,
    traced: Sequence[TracedLayer],
) -> NewMaps:
    """What a method makes of a cut: weights from what it asks for, combined and enlarged.

    A row of supplies for each of its layers; each supply serves some of the n targets, which stand
    one after another along the batch axis.
    """
    coarse = joined([_coarse(step, row) for row in supplies])
    ends = extremes(coarse)
    image = image_map(coarse, job.batch.size, ends, shares=traced[0].shares)
    by_target = (-1, len(job.batch))
    return NewMaps(coarse.unflatten(0, by_target), image.unflatten(0, by_target), ends=ends)


def _coarse(step: Step, supplies: Sequence[Supply]) -> Tensor:
    parts = [
        combine(supply.call(step.method.function, **step.options), supply["activations"])
        for supply in supplies
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


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


class _Tally:
    """A `tally`: how often a method left its formula, a map at a time."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    def __call__(self, word: str, positions: Tensor) -> None:
        # as a rule nowhere, which is sooner known than how often
        anywhere = unexpanded(positions).any()
        counts = positions.flatten(1).sum(1).tolist() if anywhere else [0] * len(positions)
        self.counts.setdefault(word, []).extend(counts)

    def taken(self, maps: int) -> dict[str, list[int]]:
        """The words with their counts so far, of so many maps; counting begins anew.

        Methods of one layer share what they ask for, and so the tally that was handed out with it.
        Where several layers make one map, its counts are those of all of them.
        """
        counts, self.counts = self.counts, {}
        return {word: [sum(often[k::maps]) for k in range(maps)] for word, often in counts.items()}


def _reruns(
    job: Job, trace: Trace, question: Question, grids: Mapping[str, Any]
) -> Callable[[], Reruns]:
    """What it takes to run the model again, for a method that asks for it."""
    autocast = autocast_dtype(trace.cuts[0].activations.device)
    return lambda: Reruns(job, question, trace, grids, autocast)
