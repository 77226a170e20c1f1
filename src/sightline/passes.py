"""The two ways through a model: to a layer and on to the maps, or all the way back to the pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.combine import combine
from sightline.explanation import Explanation
from sightline.inputs import Batch
from sightline.models import Card
from sightline.offers import Offers
from sightline.outcome import outcome
from sightline.pixelspace import reduce
from sightline.plan import Step
from sightline.surgery import Where, capture, capture_pixels, choose
from sightline.targets import Question, Wanted, ask
from sightline.upsample import image_map


@dataclass(frozen=True)
class Job:
    """What all methods of one call have in common."""

    model: nn.Module
    card: Card
    batch: Batch
    target: Wanted
    counterfactual: bool
    call: int
    grid: Any


Found = dict[tuple[str, str], Explanation]
"""Explanations by method and layer."""


def through_layers(job: Job, plan: Sequence[Step], layers: Sequence[Where]) -> Found:
    """Run once, open every layer, weigh by every method."""
    reason = "named by the caller"
    if not layers:
        choice = choose(job.model, job.batch.inputs)
        layers, reason = [choice.name], choice.reason
    trace = capture(job.model, job.batch.inputs, layers, call=job.call, grid=job.grid)
    question = _ask(job, trace.outputs)
    offers = Offers(job.model, job.batch.inputs, trace, question, sign=-1.0 if job.counterfactual else 1.0)
    found: Found = {}
    with torch.no_grad(), torch.autocast(job.batch.picture.device.type, enabled=False):
        for index, cut in enumerate(trace.cuts):
            tally = _Counts(len(job.batch))
            supplies = [offers.of(index, j, tally) for j in range(len(question.scores))]
            for step in plan:
                coarse, counts = [], []
                for supply in supplies:
                    weights = supply.call(step.weigh, **step.options)
                    coarse.append(combine(weights, supply["activations"]))
                    counts.append(tally.taken())
                found[step.name, cut.layer] = outcome(
                    model=job.model, card=job.card, batch=job.batch, question=question, method=step.name,
                    variant=_variant(step, job), layer=cut.layer, reason=reason, coarse=coarse,
                    maps=[image_map(one, job.batch.size) for one in coarse], connected=offers.connected,
                    counts=counts, cut=cut,
                )  # fmt: skip
    return found


def to_pixels(job: Job, plan: Sequence[Step], cams: Found) -> Found:
    """Run once with a graph from the input on; look back by every rule; multiply by a CAM where asked."""
    trace = capture_pixels(job.model, job.batch.inputs)
    question = _ask(job, trace.outputs)
    sign = -1.0 if job.counterfactual else 1.0
    looked: dict[str | None, tuple[Tensor, dict[str, int]]] = {}
    found: Found = {}
    for step in plan:
        if step.rule not in looked:
            looked[step.rule] = trace.gradients(lambda _: sign * question.scores, step.rule)
        gradients, governed = looked[step.rule]
        notes = [f"backward rule applied to {n} {kind}" for kind, n in governed.items()]
        for layer in [layer for method, layer in cams if method == _cam_of(step)] or ["input"]:
            cam = cams.get((_cam_of(step), layer))
            pixels = [
                step.pixels(gradients[j]) if cam is None else step.pixels(gradients[j], _maps(cam, j))  # type: ignore[misc]
                for j in range(len(gradients))
            ]
            found[step.name, layer] = outcome(
                model=job.model, card=job.card, batch=job.batch, question=question, method=step.name,
                variant=_variant(step, job), layer=layer,
                reason="the picture itself" if cam is None else cam.layer_reason,
                coarse=[one.sum(1) for one in pixels], maps=[reduce(one) for one in pixels], pixels=pixels, notes=notes,
            )  # fmt: skip
    return found


class _Counts:
    """A `tally`: how often a method left its formula, an image at a time."""

    def __init__(self, images: int) -> None:
        self.images, self.told = images, dict[str, Tensor]()

    def __call__(self, word: str, places: Tensor) -> None:
        self.told[word] = places.flatten(1).sum(1)

    def taken(self) -> list[dict[str, int]]:
        """For each image the words with their counts; counting begins anew."""
        told, self.told = {word: counts.tolist() for word, counts in self.told.items()}, {}
        return [{word: counts[i] for word, counts in told.items()} for i in range(self.images)]


def _ask(job: Job, outputs: Any) -> Question:
    """Ask with recording on, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        return ask(job.target, outputs, classes=job.card.classes, kind=job.card.outputs)


def _cam_of(step: Step) -> str:
    return step.name.removeprefix("guided_") if step.weigh else ""


def _maps(cam: Explanation, asked: int) -> Tensor:
    return cam.maps[:, asked] if cam.several else cam.maps


def _variant(step: Step, job: Job) -> dict[str, Any]:
    return {**step.options, **({"counterfactual": True} if job.counterfactual else {})}
