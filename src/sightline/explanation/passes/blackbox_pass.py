"""The model is not opened at all: it is shown images, and asked the same of each."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.explanation.assemble import NewMaps, Origin, assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.reruns import masked_images
from sightline.explanation.plan import Step
from sightline.images import seen
from sightline.maps import blur
from sightline.maps.upsample import image_map
from sightline.supply import Offers, supply
from sightline.surgery import capture_pixels, looked, showing
from sightline.surgery.harness.fallback import reason
from sightline.targets import Question, beyond_classes, unclear
from sightline.tensors import (
    allow_grad,
    at_least_float32,
    autocast_dtype,
    with_autocast,
    without_autocast,
)
from sightline.types import Preprocess

logger = logging.getLogger(__name__)

_NOT_OPENED = Origin("input", "the model is not opened")


def through_queries(job: Job, plan: Sequence[Step]) -> Found:
    """Run once for the question; then show every method what it wants to show.

    All n targets share the runs. The words on offer: `shown` (see `blackbox.Query`), `scores` `[r]`
    of the whole image, `size`, the image's, `pictures`, the pixels in [0, 1] or None where the
    input is no picture, and `note`.
    """
    with looked(job.model, job.batch.inputs) as outputs:
        question = job.ask(_with_graph(job, outputs), recording=False, inside=False)
    picture, by_target = job.batch.picture, (len(question.scores), -1)
    autocast = autocast_dtype(picture.device)
    found: Found = {}
    with (
        allow_grad(),
        torch.no_grad(),
        without_autocast(picture.device),
        showing(job.model, job.batch.inputs) as see,
    ):
        query = _query(job, question, see, autocast)
        for step in plan:
            notes = _Notes(job, question)
            answer = supply(
                step.method.function, _offers(job, question, query, notes), **step.options
            )
            coarse = answer.to(at_least_float32(picture[:0]).dtype).to(picture.device)
            image = image_map(coarse, job.batch.size)
            maps = NewMaps(coarse.unflatten(0, by_target), image.unflatten(0, by_target))
            found[step.name, "input"] = assemble(
                job, question, step, maps, _NOT_OPENED, notes=notes.lines
            )
    return found


def _with_graph(job: Job, outputs: Any) -> Any:
    """What the model says; with its graph, where only that tells whether these are probabilities.

    Whoever lets no graph be is believed.
    """
    if beyond_classes(job.target) or not unclear(outputs, len(job.batch)):
        return outputs
    try:
        return capture_pixels(job.model, job.batch.inputs).outputs
    except Exception as error:  # whatever a model raises that was to be asked and not opened
        logger.debug("the outputs are taken for logits: %s", reason(error))
        return outputs


def _offers(job: Job, question: Question, query: Callable[..., Tensor], notes: "_Notes") -> Offers:
    picture = job.batch.picture
    return {
        "shown": lambda: query,
        "scores": lambda: job.sign * at_least_float32(question.scores.detach()).flatten(),
        "size": lambda: job.batch.size,
        "pictures": lambda: _pixels(picture, job.card.preprocess, len(job.batch)),
        "note": lambda: notes,
    }


def _query(
    job: Job, question: Question, see: Callable[[Tensor], Any], autocast: torch.dtype | None
) -> Callable[..., Tensor]:
    """A `blackbox.Query` of these images: the scores `[m, r]` of m versions of each."""
    own, b = job.batch.picture, len(job.batch)

    def shown(
        masks: Tensor, *, fill: str = "zero", probability: bool = False, at_once: int = 16
    ) -> Tensor:
        hidden = _blurred(own, fill)
        found = []
        for some in masks.split(max(1, at_once // b)):
            seen = some.to(own.device).expand(-1, b, *some.shape[2:])
            images = masked_images(own, seen, hidden)
            with with_autocast(own.device, autocast):
                outputs = see(images)
            scores = job.ask_again(question, outputs, len(some), probability)
            found.append(at_least_float32(scores).cpu().double())
        return job.signed(torch.cat(found, dim=1).transpose(0, 1).flatten(1), probability)

    return shown


def _blurred(pictures: Tensor, fill: str) -> Tensor | None:
    """What is seen where a mask hides: nothing, or the images without what is small.

    Small is what is under a 16th of the shorter side.
    """
    if fill == "zero":
        return None
    if pictures.ndim != 4:
        raise MethodError(
            f"Expected pictures [b, c, h, w] to blur; this input is {list(pictures.shape)}. Take"
            " fill='zero'."
        )
    sigma = max(1.0, min(pictures.shape[2:]) / 16)
    return blur(pictures, 2 * round(2 * sigma) + 1, sigma)


def _pixels(inputs: Tensor, preprocess: Preprocess, images: int) -> Tensor | None:
    """The pixels the model saw, `[b, 3, h, w]` in [0, 1]."""
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3) or len(inputs) != images:
        return None
    return seen(inputs, preprocess.for_channels(inputs.shape[1]))


class _Notes:
    """A `blackbox.Note`: each number with the image and the target it belongs to."""

    def __init__(self, job: Job, question: Question) -> None:
        self.names, self.targets, self.lines = job.batch.names, question.targets, list[str]()

    def __call__(self, what: str, values: Sequence[float]) -> None:
        for r, value in enumerate(values):
            j, i = divmod(r, len(self.names))
            self.lines.append(f"{what}: {value:.3f} ({self.names[i]}, {self.targets[i][j].name})")
