"""All the way back to the pixels, by a backward rule, and multiplied by a CAM where asked."""

from collections.abc import Sequence

from torch import Tensor

from sightline.explanation.assemble import assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.bias_pass import in_parts
from sightline.explanation.plan import Step
from sightline.explanation.result import Explanation
from sightline.methods.pixel import reduce
from sightline.supply import requests
from sightline.surgery import capture_pixels


def to_pixels(job: Job, plan: Sequence[Step], cams: Found) -> Found:
    """Run once with a graph from the input on; look back by every rule; multiply by a CAM where
    asked.
    """
    if whole := [step for step in plan if step.pixels and "products" in requests(step.pixels)]:
        rest = [step for step in plan if step not in whole]
        return in_parts(job, whole[0]) | (to_pixels(job, rest, cams) if rest else {})
    trace = capture_pixels(job.model, job.batch.inputs)
    question = job.ask(trace.outputs)
    looked: dict[str | None, tuple[Tensor, dict[str, int]]] = {}
    found: Found = {}
    for step in plan:
        if step.rule not in looked:
            looked[step.rule] = trace.gradients(lambda _: job.sign * question.scores, step.rule)
        if step.pixels is None:
            continue
        gradients, governed = looked[step.rule]
        rules = [f"backward rule applied to {n} {kind}" for kind, n in governed.items()]
        for layer in [layer for method, layer in cams if method == _cam_of(step)] or ["input"]:
            cam = cams.get((_cam_of(step), layer))
            flat, notes = (
                gradients.flatten(0, 1),
                rules + ([] if cam is None else cam.provenance["notes"]),
            )
            pixels = step.pixels(flat) if cam is None else step.pixels(flat, _question_first(cam))
            found[step.name, layer] = assemble(
                model=job.model,
                card=job.card,
                batch=job.batch,
                question=question,
                method=step.name,
                variant=job.variant(step.options),
                layer=layer,
                reason="the picture itself" if cam is None else cam.layer_reason,
                coarse=pixels.sum(1).unflatten(0, gradients.shape[:2]),
                maps=reduce(pixels).unflatten(0, gradients.shape[:2]),
                pixels=pixels.unflatten(0, gradients.shape[:2]),
                counts=None if cam is None else _counts(cam),
                notes=notes,
            )
    return found


def _cam_of(step: Step) -> str:
    return step.name.removeprefix("guided_") if step.weigh else ""


def _question_first(cam: Explanation) -> Tensor:
    """A CAM's maps as the pixels stand: one question after another along the batch axis."""
    return cam.maps.transpose(0, 1).flatten(0, 1) if cam.several else cam.maps


def _counts(cam: Explanation) -> dict[str, list[int]]:
    """How often a CAM left its formula, for the product with it: a map at a time, question by
    question.
    """
    columns = zip(*cam.status, strict=True) if cam.several else [cam.status]
    rows = [status.counts for column in columns for status in column]
    return {
        word: [row.get(word, 0) for row in rows]
        for word in dict.fromkeys(word for row in rows for word in row)
    }
