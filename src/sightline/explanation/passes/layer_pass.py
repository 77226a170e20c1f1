"""Through the model to a layer, and on to the maps."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.explanation.assemble import NewMaps, Origin, assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.method_inputs import MethodInputs
from sightline.explanation.passes.reruns import Reruns
from sightline.explanation.placed import Place, proved
from sightline.explanation.plan import Step
from sightline.maps.combine import combine
from sightline.maps.upsample import extremes, image_map
from sightline.supply import Supply
from sightline.surgery import (
    Choice,
    Given,
    LayerRun,
    Reads,
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
)
from sightline.targets import Aim, Question, ask, beyond_classes
from sightline.tensors import autocast_dtype, unexpanded, without_autocast


def through_layers(job: Job, plan: Sequence[Step], layers: Sequence[Where]) -> Found:
    """Run once, open every layer, weigh by every method."""
    given = Given.of_supported(job.model, job.batch.inputs)
    run = _run_at_named(job, given, layers) if layers else _run_at_choice(job, given)
    trace, question = run.trace, run.question
    inputs = MethodInputs(trace, question, job.sign, _reruns(job, trace, question, run.grid))
    found: Found = {}
    with inputs, torch.no_grad(), without_autocast(job.batch.picture.device):
        for index, cut in enumerate(trace.cuts):
            connected, place = partial(inputs.connected, index), run.places.get(cut.layer)
            origin = Origin(cut.layer, run.reason, cut, connected, place)
            tally = _Tally()
            for step in plan:
                wanted = step.method.requests
                maps = _maps(step, inputs.of(index, wanted, tally), job, cut)
                notes = inputs.notes(index, step.name, wanted)
                found[step.name, cut.layer] = assemble(
                    job, question, step, maps, origin, counts=tally.taken(), notes=notes
                )
    return found


@dataclass(frozen=True)
class _Run:
    """One run of the model, opened at its layers, and what was asked of it."""

    trace: Trace
    question: Question
    reads: Reads
    reason: str
    grid: Any
    places: dict[str, Place]


def _run(
    job: Job,
    given: Given,
    layers: Sequence[Where],
    grid: Any,
    call: int,
    reason: str,
) -> _Run:
    call, proofs = proved(given, layers, call, grid) if job.checked else (call, {})
    trace = capture(job.model, given, layers, call=call, grid=grid)
    score, about = _asked(job)
    if about is None:
        question, reads = job.ask(trace.outputs), Reads()
    else:
        with readable(trace.outputs):
            question = job.ask(trace.outputs)
            reads = outputs_read(question.scores, trace.outputs)
    places = {
        name: Place(proof, carried(given, LayerRun(name, call, grid), score, (about, reads)))
        for name, proof in proofs.items()
    }
    return _Run(trace, question, reads, reason, grid, places)


def _run_at_named(job: Job, given: Given, layers: Sequence[Where]) -> _Run:
    def run(grid: Any) -> _Run:
        return _run(job, given, layers, grid, job.call, "named by the caller")

    if job.grid is not None:
        return run(job.grid)
    if not job.checked:  # then it is not looked at more often than it must
        one = run(None)
        if all(beyond_doubt(cut, given) for cut in one.trace.cuts):
            return one
        grid = readings(given, layers, job.call)
        return one if grid is None else run(grid)
    return run(readings(given, layers, job.call))


def _run_at_choice(job: Job, given: Given) -> _Run:
    """Opened at the last layer on which the outputs depend, or what a target made of them."""

    def run(choice: Choice) -> tuple[_Run, Reads]:
        grid = choice.grid if job.grid is None else job.grid
        call = choice.call if job.call == -1 else job.call
        one = _run(job, given, [choice.name], grid, call, choice.reason)
        return one, one.reads

    if not beyond_classes(job.target):
        return run(choose(job.model, given))[0]
    return choose_by_reading(given, *_asked(job), run)[1]


def _maps(step: Step, supplies: Sequence[Supply], job: Job, cut: TracedLayer) -> NewMaps:
    """What a method makes of a layer: weights from what it asks for, combined and enlarged.

    Each supply serves some of the n targets, which stand one after another along the batch axis.
    """
    parts = [
        combine(supply.call(step.method.function, **step.options), supply["activations"])
        for supply in supplies
    ]
    coarse = parts[0] if len(parts) == 1 else torch.cat(parts)
    ends = extremes(coarse)
    image = image_map(coarse, job.batch.size, ends, shares=cut.shares)
    by_target = (-1, len(job.batch))
    return NewMaps(coarse.unflatten(0, by_target), image.unflatten(0, by_target), ends=ends)


def _asked(job: Job) -> tuple[Callable[[Any], Tensor], Hashable]:
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

    def taken(self) -> dict[str, list[int]]:
        """The words with their counts so far; counting begins anew.

        Methods of one layer share what they ask for, and so the tally that was handed out with it.
        """
        counts, self.counts = self.counts, {}
        return counts


def _reruns(job: Job, trace: Trace, question: Question, grid: Any) -> Callable[[], Reruns]:
    """What it takes to run the model again, for a method that asks for it."""
    autocast = autocast_dtype(trace.cuts[0].activations.device)
    return lambda: Reruns(job, question, trace, grid, autocast)
