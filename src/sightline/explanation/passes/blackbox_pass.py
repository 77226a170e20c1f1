"""The third way: the model is not opened at all. It is shown pictures, and asked the same question
of each.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.explanation.assemble import assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.passes.reruns import through
from sightline.explanation.plan import Step
from sightline.images import seen
from sightline.maps import blur
from sightline.maps.upsample import image_map
from sightline.supply import Offers, supply
from sightline.surgery import look, showing
from sightline.targets import Question
from sightline.tensors import allow_grad, at_least_float32, without_autocast
from sightline.types import Preprocess


def from_outside(job: Job, plan: Sequence[Step]) -> Found:
    """Run once for the question; then show every method what it wants to show. All n questions
    share the runs.

    The words on offer: `shown` (see `blackbox.Shown`), `scores` `[r]` of the whole picture, `size`,
    the picture's, `pictures`, the pixels in [0, 1] or None where the input is no picture, and
    `note`.
    """
    question = job.ask(look(job.model, job.batch.inputs), recording=False)
    n, picture = len(question.scores), job.batch.picture
    kind = picture.device.type
    autocast = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    found: Found = {}
    with (
        allow_grad(),
        torch.no_grad(),
        without_autocast(picture.device),
        showing(job.model, job.batch.inputs) as see,
    ):
        for step in plan:
            assert step.outside is not None
            notes = _Notes(job, question)
            coarse = (
                supply(step.outside, _offers(job, question, see, autocast, notes), **step.options)
                .to(at_least_float32(picture[:0]).dtype)
                .to(picture.device)
            )
            found[step.name, "input"] = assemble(
                model=job.model,
                card=job.card,
                batch=job.batch,
                question=question,
                method=step.name,
                variant=job.variant(step.options),
                layer="input",
                reason="the model is not opened",
                coarse=coarse.unflatten(0, (n, -1)),
                maps=image_map(coarse, job.batch.size).unflatten(0, (n, -1)),
                notes=notes.told,
            )
    return found


def _offers(
    job: Job,
    question: Question,
    see: Callable[[Tensor], Any],
    autocast: torch.dtype | None,
    notes: "_Notes",
) -> Offers:
    picture = job.batch.picture
    return {
        "shown": lambda: _shown(job, question, see, autocast),
        "scores": lambda: job.sign * at_least_float32(question.scores.detach()).flatten(),
        "size": lambda: job.batch.size,
        "pictures": lambda: _pictures(picture, job.card.preprocess, len(job.batch)),
        "note": lambda: notes,
    }


def _shown(
    job: Job, question: Question, see: Callable[[Tensor], Any], autocast: torch.dtype | None
) -> Callable[..., Tensor]:
    """`blackbox.Shown` of these pictures."""
    own, b = job.batch.picture, len(job.batch)

    def shown(
        masks: Tensor, *, fill: str = "zero", probability: bool = False, at_once: int = 16
    ) -> Tensor:
        hidden = _blurred(own, fill)
        found = []
        for some in masks.split(max(1, at_once // b)):
            there = some.to(own.device).expand(-1, b, *some.shape[2:])
            pictures = through(own, there)
            if hidden is not None:
                pictures += through(hidden, 1 - there)
            with (
                nullcontext()
                if autocast is None
                else torch.autocast(own.device.type, dtype=autocast)
            ):
                outputs = see(pictures)
            found.append(
                at_least_float32(job.again(question, outputs, len(some), probability=probability))
                .cpu()
                .double()
            )
        scores = torch.cat(found, dim=1).transpose(0, 1).flatten(1)
        if job.sign == 1:
            return scores
        return 1 - scores if probability else -scores

    return shown


def _blurred(pictures: Tensor, fill: str) -> Tensor | None:
    """What is seen where a mask hides: nothing, or the picture without what is smaller than a 16th
    of its side.
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


def _pictures(inputs: Tensor, preprocess: Preprocess, images: int) -> Tensor | None:
    """The pixels the model saw, `[b, 3, h, w]` in [0, 1]."""
    if inputs.ndim != 4 or inputs.shape[1] not in (1, 3) or len(inputs) != images:
        return None
    return seen(inputs, Preprocess(mean=(0.5,), std=(0.5,)) if inputs.shape[1] == 1 else preprocess)


class _Notes:
    """A `blackbox.Note`: each number with the image and the question it belongs to."""

    def __init__(self, job: Job, question: Question) -> None:
        self.names, self.targets, self.told = job.batch.names, question.targets, list[str]()

    def __call__(self, what: str, values: Sequence[float]) -> None:
        for r, value in enumerate(values):
            j, i = divmod(r, len(self.names))
            self.told.append(f"{what}: {value:.3f} ({self.names[i]}, {self.targets[i][j].name})")
