"""All the way back to the pixels, by a backward rule, and multiplied by a CAM where asked."""

from collections.abc import Sequence

from torch import Tensor

from sightline.explanation.assemble import THE_PICTURE, NewMaps, Origin, assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.bias_pass import through_biases
from sightline.explanation.placed import Place
from sightline.explanation.plan import Step
from sightline.explanation.result import Explanation
from sightline.methods.pixel import reduce
from sightline.surgery import Proof, capture_pixels
from sightline.targets import Question


def to_pixels(job: Job, plan: Sequence[Step], cams: Found) -> Found:
    """Run once with a graph from the input on; go back by every rule; multiply by CAMs."""
    if in_parts := [step for step in plan if "products" in step.method.requests]:
        rest = [step for step in plan if step not in in_parts]
        return through_biases(job, in_parts[0]) | (to_pixels(job, rest, cams) if rest else {})
    trace = capture_pixels(job.model, job.batch.inputs)
    with trace.kept():
        question = job.ask(trace.outputs)
    by_rule: dict[str | None, tuple[Tensor, dict[str, int]]] = {}
    found: Found = {}
    for step in plan:
        rule = step.method.rule
        if rule not in by_rule:
            by_rule[rule] = trace.gradients(lambda _: job.sign * question.scores, rule)
        gradients, governed = by_rule[rule]
        notes = [f"backward rule applied to {n} {kind}" for kind, n in governed.items()]
        own: list[Explanation | None] = [
            cam for (name, _), cam in cams.items() if step.cam and name == step.cam.name
        ]
        for cam in own or [None]:
            layer = "input" if cam is None else cam.layer
            found[step.name, layer] = _explained(job, question, step, gradients, cam, notes)
    return found


def _explained(
    job: Job,
    question: Question,
    step: Step,
    gradients: Tensor,
    cam: Explanation | None,
    notes: Sequence[str],
) -> Explanation:
    """One method's evidence in every pixel, from gradients `[n, b, c, *s]`, times a CAM if any."""
    by_target, flat = gradients.shape[:2], gradients.flatten(0, 1)
    factors = [] if cam is None else [_target_first(cam)]
    pixels = step.method.function(flat, *factors)
    maps = NewMaps(
        coarse=pixels.sum(1).unflatten(0, by_target),
        image=reduce(pixels).unflatten(0, by_target),
        pixels=pixels.unflatten(0, by_target),
    )
    if cam is None:
        return assemble(job, question, step, maps, THE_PICTURE, notes=notes)
    origin = Origin(cam.layer, cam.layer_reason, place=_place(cam))
    notes = [*notes, *cam.provenance["notes"]]
    return assemble(job, question, step, maps, origin, counts=_counts(cam), notes=notes)


def _place(cam: Explanation) -> Place | None:
    """What was known of the place of a map, from its record."""
    record = dict(cam.provenance["layer"]["place"] or {})
    return Place(share=record.pop("share"), proof=Proof(**record)) if record else None


def _target_first(cam: Explanation) -> Tensor:
    """A CAM's maps as the pixels stand: one target after another along the batch axis."""
    return cam.per_target.maps.transpose(0, 1).flatten(0, 1)


def _counts(cam: Explanation) -> dict[str, list[int]]:
    """How often a CAM left its formula, for the product with it: target by target, map by map."""
    rows = [
        status.counts for column in zip(*cam.per_target.status, strict=True) for status in column
    ]
    words = dict.fromkeys(word for row in rows for word in row)
    return {word: [row.get(word, 0) for row in rows] for word in words}
