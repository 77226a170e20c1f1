"""Through the model to a layer, and on to the maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.explanation.assemble import NewMaps, Origin, assemble
from sightline.explanation.cuts import joined
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.method_inputs import MethodInputs, of_other_runs
from sightline.explanation.passes.opened_layers import LayersRun, open_layers
from sightline.explanation.passes.reruns import Reruns
from sightline.explanation.plan import Step
from sightline.maps.combine import combine
from sightline.maps.upsample import extremes, image_map
from sightline.supply import Supply
from sightline.surgery import Trace, TracedLayer, Where
from sightline.targets import Question
from sightline.tensors import autocast_dtype, unexpanded, without_autocast


def through_layers(job: Job, plan: Sequence[Step], layers: Sequence[Where]) -> Found:
    """Run once, open every layer, weigh by every method."""
    run = open_layers(job, layers)
    trace, question = run.trace, run.question
    inputs = _inputs(job, run, question)
    # Scores before a softmax are found where the graph is at hand, and not in every other run.
    again, asked_again = inputs, question
    if question.inside and any(of_other_runs(step.method.requests) for step in plan):
        asked_again = job.ask(trace.outputs, inside=False)
        again = _inputs(job, run, asked_again)
    found: Found = {}
    tally = _Tally()
    with _each(inputs, again), torch.no_grad(), without_autocast(job.batch.picture.device):
        for cut, place in zip(run.cuts, run.places, strict=True):
            parts = [k for k, one in enumerate(trace.cuts) if one.layer in cut.grids]
            origin = Origin(
                cut.name,
                cut.reason,
                tuple(trace.cuts[k] for k in parts),
                place=place,
            )
            for step in plan:
                wanted = step.method.requests
                own, asked = (again, asked_again) if of_other_runs(wanted) else (inputs, question)
                supplies = [own.of(k, wanted, tally) for k in parts]
                maps = _maps(step, supplies, job, origin.traced)
                counts = tally.taken(len(asked.scores) * len(job.batch))
                notes = [note for k in parts for note in own.notes(k, step.name, wanted)]
                origin = replace(origin, connected=partial(_connected, own, parts))
                found[step.name, cut.name] = assemble(
                    job, asked, step, maps, origin, counts=counts, notes=notes
                )
    return found


def _inputs(job: Job, run: LayersRun, question: Question) -> MethodInputs:
    return MethodInputs(run.trace, question, job.sign, _reruns(job, run.trace, question, run.grids))


@contextmanager
def _each(*inputs: MethodInputs) -> Iterator[None]:
    """All of them entered, each once."""
    with ExitStack() as entered:
        for one in dict.fromkeys(inputs):
            entered.enter_context(one)
        yield


def _connected(inputs: MethodInputs, parts: Sequence[int]) -> bool:
    return any(inputs.connected(k) for k in parts)


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

        Methods share what they ask of a layer, and so the tally that was handed out with it. Where
        several layers make one map, its counts are those of all of them.
        """
        counts, self.counts = self.counts, {}
        return {word: [sum(often[k::maps]) for k in range(maps)] for word, often in counts.items()}


def _reruns(
    job: Job, trace: Trace, question: Question, grids: Mapping[str, Any]
) -> Callable[[], Reruns]:
    """What it takes to run the model again, for a method that asks for it."""
    autocast = autocast_dtype(trace.cuts[0].activations.device)
    return lambda: Reruns(job, question, trace, grids, autocast)
