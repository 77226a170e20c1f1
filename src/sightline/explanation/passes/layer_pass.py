"""Through the model to a layer, and on to the maps."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.explanation.assemble import assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.method_inputs import MethodInputs
from sightline.explanation.passes.reruns import Reruns
from sightline.explanation.plan import Step
from sightline.maps.combine import combine
from sightline.maps.upsample import extremes, image_map
from sightline.supply import requests
from sightline.surgery import Choice, Trace, Where, capture, choose
from sightline.targets import Aim, Question, ask, beyond_classes
from sightline.tensors import unexpanded, without_autocast


def through_layers(job: Job, plan: Sequence[Step], layers: Sequence[Where]) -> Found:
    """Run once, open every layer, weigh by every method."""
    reason, grid = "named by the caller", job.grid
    if not layers:
        choice = _choice(job)
        layers, reason, grid = [choice.name], choice.reason, choice.grid if grid is None else grid
    trace = capture(job.model, job.batch.inputs, layers, call=job.call, grid=grid)
    question = job.ask(trace.outputs)
    offers = MethodInputs(trace, question, job.sign, _reruns(job, trace, question, grid))
    found: Found = {}
    with offers, torch.no_grad(), without_autocast(job.batch.picture.device):
        for index, cut in enumerate(trace.cuts):
            tally, n = _Counts(), len(question.scores)
            for step in plan:
                if step.weigh is None:
                    continue
                several = offers.of(index, requests(step.weigh), tally)
                parts = [
                    combine(supply.call(step.weigh, **step.options), supply["activations"])
                    for supply in several
                ]
                coarse = parts[0] if len(parts) == 1 else torch.cat(parts)
                ends = extremes(coarse)
                maps = image_map(coarse, job.batch.size, ends, shares=cut.shares)
                found[step.name, cut.layer] = assemble(
                    model=job.model,
                    card=job.card,
                    batch=job.batch,
                    question=question,
                    method=step.name,
                    variant=job.variant(step.options),
                    layer=cut.layer,
                    reason=reason,
                    coarse=coarse.unflatten(0, (n, -1)),
                    maps=maps.unflatten(0, (n, -1)),
                    connected=partial(offers.connected, index),
                    counts=tally.taken(),
                    cut=cut,
                    ends=ends,
                    notes=offers.notes(index, step.name, requests(step.weigh)),
                )
    return found


def _choice(job: Job) -> Choice:
    """The layer: one on which the outputs depend, or where they are asked by a function, that
    function's answer.
    """
    if not beyond_classes(job.target):
        return choose(job.model, job.batch.inputs)

    def score(outputs: Any) -> Tensor:
        asked = ask(
            job.target,
            outputs,
            classes=job.card.classes,
            kind=job.card.outputs,
            size=job.batch.size,
        )
        return asked.scores.sum(0)

    return choose(job.model, job.batch.inputs, score, _about(job.target))


def _about(target: Any) -> Hashable:
    """Which question this is, as far as the layer goes: a lambda written once is the same one at
    every call.
    """
    if isinstance(target, list | tuple):
        return tuple(_about(one) for one in target)
    while isinstance(target, partial):
        target = target.func
    return getattr(target, "__code__", None) or (
        type(target),
        str(target) if isinstance(target, Aim) else "",
    )


class _Counts:
    """A `tally`: how often a method left its formula, a map at a time."""

    def __init__(self) -> None:
        self.told: dict[str, list[int]] = {}

    def __call__(self, word: str, places: Tensor) -> None:
        anywhere = unexpanded(
            places
        ).any()  # as a rule nowhere, which is sooner known than how often
        counts = places.flatten(1).sum(1).tolist() if anywhere else [0] * len(places)
        self.told.setdefault(word, []).extend(counts)

    def taken(self) -> dict[str, list[int]]:
        """The words with their counts so far; counting begins anew."""
        told, self.told = self.told, {}
        return told


def _reruns(job: Job, trace: Trace, question: Question, grid: Any) -> Callable[[], Reruns]:
    """What it takes to run the model again, for a method that asks for it."""
    kind = trace.cuts[0].activations.device.type
    autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None

    return lambda: Reruns(
        trace, question, job.sign, job.batch, grid, partial(job.again, question), autocast
    )
