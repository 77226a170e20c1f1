"""Derivatives of the model run again: on noisy images, and on images seen through maps.

As in `explanation/passes/reruns.py` the same targets are asked of other runs. Here the answer comes
with a derivative: by the layer's activations (the word `noisy_gradients`) or by the map itself (the
word `look_back`, here `masked_score_gradients`). No run is held longer than its own answer takes.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.explanation.passes.reruns import (
    Reruns,
    enlarged_masks,
    images_at_once,
    masked_images,
)
from sightline.surgery import capture, capture_pixels, with_pictures
from sightline.tensors import allow_grad, at_least_float32, per_image


def noisy_gradients(
    reruns: Reruns, cut: int, targets: slice, *, samples: int, std: int | float, seed: int
) -> Iterator[Float[Tensor, "r c *s"]]:
    r"""The gradients `[n b, c, *s]` of some targets at a layer, of one noisy image after another.

    $$x + \sigma\,(\max x - \min x)\,\epsilon, \qquad \epsilon \sim \mathcal{N}(0, 1)$$

    in the model's own input space: sigma = `std` is a share of each picture's own range there, over
    all its channels. The same fields of noise serve every image of a batch, so that an image's map
    does not depend on its batch. They are drawn on the CPU by a generator of their own from `seed`:
    the same on every device, and none of yours is touched. One run forward and one look back a
    sample; no two are held at a time. Zeros, where nothing depends on the layer.
    """
    traced, batch = reruns.trace.cuts[cut], reruns.job.batch
    picture = batch.picture.detach()
    low, high = at_least_float32(picture).flatten(1).aminmax(dim=1)
    reach = per_image(std * (high - low), picture.ndim)
    generator = torch.Generator("cpu").manual_seed(seed)
    for _ in range(samples):
        noise = torch.randn(
            picture.shape[1:], generator=generator, dtype=torch.float64, device="cpu"
        )
        noisy = (at_least_float32(picture) + reach * noise.to(reach)).to(picture.dtype)
        inputs = with_pictures(batch.inputs, noisy, batch.channel_axis)
        with reruns.as_the_caller():
            trace = capture(
                reruns.trace.model, inputs, traced.layer, call=traced.call, grid=reruns.grids
            )
        (gradient,) = trace.gradients(lambda outputs: reruns.ask_again(outputs, 1)[:, 0])
        if gradient is None:
            own = at_least_float32(traced.activations)
            gradient = own.new_zeros(()).expand(len(reruns.question.scores), *own.shape)
        yield reruns.job.sign * gradient[targets].flatten(0, 1)


def masked_score_gradients(
    reruns: Reruns,
    targets: slice,
    maps: Float[Tensor, "r *s"],
    shares: tuple[float, ...] | None,
    *,
    at_once: int = 16,
) -> tuple[Float[Tensor, " r"], Float[Tensor, "r *s"]]:
    """The scores `[n b]` of the image seen through a map each `[n b, *s]`, and their derivatives.

    Seen through as in `Reruns.masked_scores`: enlarged, then scaled to [0, 1] by the minimum and
    maximum there; both are part of the derivative by the map. Each map serves its own target and
    image. `at_once` as there. Raises `SurgeryError` where the scores do not depend on the pixels.
    """
    batch = reruns.job.batch
    b, step = len(batch), images_at_once(at_once, len(batch))
    numbers = range(len(reruns.question.scores))[targets]
    scores: list[Tensor] = []
    derivatives: list[Tensor] = []
    with allow_grad(), torch.enable_grad():
        images = at_least_float32(batch.picture.detach().clone())
        for start in range(0, len(numbers), step):
            some = numbers[start : start + step]
            own = maps[start * b : (start + len(some)) * b].detach().clone().requires_grad_()
            masks = enlarged_masks(own.unflatten(0, (len(some), -1)), batch.size, shares)
            shown = masked_images(images, masks)
            # two graphs, joined by hand: the model's from the pixels on, and this one up to them
            score, by_pixel = _by_pixel(reruns, shown.detach().to(batch.picture.dtype), list(some))
            scores.append(score)
            (by_map,) = torch.autograd.grad(shown, own, by_pixel.to(shown))
            derivatives.append(by_map)
    return reruns.job.sign * torch.cat(scores), reruns.job.sign * torch.cat(derivatives)


def _by_pixel(reruns: Reruns, shown: Tensor, targets: list[int]) -> tuple[Tensor, Tensor]:
    """Each target's score of its own version of the images, `[m b]`, and that by their pixels."""
    scores: list[Tensor] = []

    def ask(outputs: Any) -> Tensor:
        answers = reruns.ask_again(outputs, len(targets))  # [n, m, b]
        own = torch.cat([answers[j, version] for version, j in enumerate(targets)])
        scores.append(at_least_float32(own.detach()))
        return own

    inputs = with_pictures(reruns.job.batch.inputs, shown, reruns.job.batch.channel_axis)
    with reruns.as_the_caller():
        trace = capture_pixels(reruns.trace.model, inputs)
    by_pixel, _ = trace.gradients(ask)
    return scores[0], by_pixel
