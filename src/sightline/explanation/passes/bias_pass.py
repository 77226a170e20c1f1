"""A score taken apart: what the picture and what every bias on the way adds to it."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from sightline.explanation.assemble import THE_PICTURE, NewMaps, assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.plan import Step
from sightline.maps.upsample import enlarged
from sightline.methods.pixel import reduce
from sightline.surgery import Given, capture_pixels
from sightline.surgery.backward.biases import Biases, BiasTerm
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.harness import guard
from sightline.surgery.harness.arguments import channels_second
from sightline.surgery.harness.grids import infer
from sightline.surgery.pixel_trace import PixelTrace
from sightline.tensors import allow_grad, at_least_float32, without_autocast

_AMISS = 1e-3
"""A sum that misses the score by more than this share of it is told."""


def through_biases(job: Job, step: Step) -> Found:
    """The explanation of a method that asks for the `products` of all layers (FullGrad)."""
    with Biases() as biases:
        trace = capture_pixels(job.model, job.batch.inputs)
    with trace.kept():
        question = job.ask(trace.outputs)
    with allow_grad(), torch.enable_grad():
        scores = (job.sign * question.scores).unbind()
    found, missed = [], 0.0
    for row in scores:
        products, missing = _products(job, row, bias_products(trace, row, biases.terms))
        missed = max(missed, missing)
        with torch.no_grad(), without_autocast(job.batch.picture.device):
            found.append(step.method.function(products, partial(enlarged, size=job.batch.size)))
    pixels = torch.stack(found)
    image = reduce(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])
    maps = NewMaps(coarse=pixels.sum(2), image=image, pixels=pixels)
    notes = list(_notes(job, step.name, missed))
    return {(step.name, "input"): assemble(job, question, step, maps, THE_PICTURE, notes=notes)}


def _products(job: Job, scores: Tensor, terms: Iterator[Tensor]) -> tuple[list[Tensor], float]:
    """The image's product, those of layers with a grid, and by what share all miss the scores."""
    size, b = Given.of_supported(job.model, job.batch.inputs).frame.images[2:], len(job.batch)
    products: list[Tensor] = []
    scores = at_least_float32(scores.detach())
    rest = scores.clone()
    for product in terms:
        rest -= product.reshape(b, -1).sum(1)
        if not products:  # the image's own comes first, and is taken as it is
            products.append(product)
        elif product.ndim > 2 and len(product) == b:  # else it is a classifier's: no grid
            grid = infer(tuple(product.shape), size)
            if grid is not None:
                products.append(grid.read(product))
    return products, float((rest.abs() / scores.abs()).amax())


def _notes(job: Job, method: str, missed: float) -> Iterator[str]:
    if missed > _AMISS:
        yield f"the parts of the picture and of the biases miss the score by {missed:.1%} of it"
    if job.counterfactual:
        yield (
            f"{method} shows sizes and not directions: for and against a target its map is the same"
        )


def bias_products(trace: PixelTrace, scores: Tensor, terms: Sequence[BiasTerm]) -> Iterator[Tensor]:
    """The image times its gradient, `[b, c, *s]`, then each bias times its gradient.

    In float32 at least.
    """
    with guard.untouched(trace.model, trace.left), torch.enable_grad():
        try:
            found = gradients(
                scores, [trace.node, *[one.output for one in terms]], skip_zeros=False
            )
        except RuntimeError:
            trace.gradients(scores)  # says what is wrong, if it knows
            raise
    if found[0] is None:
        trace.gradients(scores)
    if found[0] is not None:
        picture = found[0] * at_least_float32(trace.node.detach())
        yield channels_second(picture, trace.channel_axis)
    for gradient, term in zip(found[1:], terms, strict=True):
        if gradient is not None:
            yield gradient * at_least_float32(term.bias())
