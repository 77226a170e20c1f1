"""A score taken apart: what the picture and what every bias on the way adds to it."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from sightline.explanation.assemble import assemble
from sightline.explanation.job import Found, Job
from sightline.explanation.plan import Step
from sightline.maps.upsample import enlarged
from sightline.methods.pixel import reduce
from sightline.surgery import capture_pixels
from sightline.surgery.backward.biases import Biases, BiasTerm
from sightline.surgery.backward.gradients import gradients
from sightline.surgery.harness import guard
from sightline.surgery.harness.grids import infer
from sightline.surgery.pixel_trace import PixelTrace
from sightline.tensors import allow_grad, at_least_float32, without_autocast

_AMISS = 1e-3
"""A sum that misses the score by more than this share of it is told."""


def in_parts(job: Job, step: Step) -> Found:
    """The explanation of a method that asks for the `products` of all layers (FullGrad)."""
    assert step.pixels is not None
    with Biases() as heard:
        trace = capture_pixels(job.model, job.batch.inputs)
    question = job.ask(trace.outputs)
    with allow_grad(), torch.enable_grad():
        rows = (job.sign * question.scores).unbind()
    size, b = job.batch.size, len(job.batch)
    pixels, missed = [], 0.0
    for row in rows:
        products: list[Tensor] = []
        rest = at_least_float32(row.detach()).clone()
        for product in parts(trace, row, heard.terms):
            rest -= product.reshape(b, -1).sum(1)
            grid = (
                infer(tuple(product.shape), size)
                if product.ndim > 2 and len(product) == b
                else None
            )
            if not products:
                products.append(product)
            elif grid is not None:
                products.append(grid.read(product))
        missed = max(missed, float((rest.abs() / at_least_float32(row.detach()).abs()).amax()))
        with torch.no_grad(), without_autocast(job.batch.picture.device):
            pixels.append(step.pixels(products, partial(enlarged, size=size)))
    shown = torch.stack(pixels)
    notes = [f"the parts of the picture and of the biases miss the score by {missed:.1%} of it"] * (
        missed > _AMISS
    )
    if job.counterfactual:
        notes.append(
            f"{step.name} shows sizes and not directions: for and against a target its map is the"
            " same"
        )
    found = assemble(
        model=job.model,
        card=job.card,
        batch=job.batch,
        question=question,
        method=step.name,
        variant=job.variant(step.options),
        layer="input",
        reason="the picture itself",
        coarse=shown.sum(2),
        maps=reduce(shown.flatten(0, 1)).unflatten(0, shown.shape[:2]),
        pixels=shown,
        notes=notes,
    )
    return {(step.name, "input"): found}


def parts(trace: PixelTrace, scores: Tensor, terms: Sequence[BiasTerm]) -> Iterator[Tensor]:
    """The picture times its gradient, `[b, c, *s]`, then each bias times what comes back to it, in
    float32 at least.
    """
    with guard.untouched(trace.model), torch.enable_grad():
        try:
            found = gradients(
                scores, [trace.node, *[one.output for one in terms]], skip_zeros=False
            )
        except RuntimeError:
            trace.gradients(scores)  # says what is wrong, if it knows
            raise
    if found[0] is None:
        trace.gradients(scores)
    for gradient, value in zip(
        found, [trace.node.detach, *[one.bias for one in terms]], strict=True
    ):
        if gradient is not None:
            yield gradient * at_least_float32(value())
