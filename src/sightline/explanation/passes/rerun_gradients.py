"""What a method learns by running the model again and looking back: on noisy pictures, on pictures
seen through maps.

As in `explanation/passes/reruns.py` a question is asked in numbers. Here the answer comes with a
derivative: by the layer's activations (`noisy_gradients`) or by the map itself (`look_back`). No
run is held longer than its own answer takes.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import MethodError
from sightline.explanation.passes.reruns import Reruns, scaled, through
from sightline.surgery import capture, capture_pixels, with_pictures
from sightline.tensors import allow_grad, at_least_float32


def noisy_gradients(
    reruns: Reruns, cut: int, asked: slice, *, samples: int, std: int | float, seed: int
) -> Iterator[Float[Tensor, "r c *s"]]:
    r"""The gradients `[n b, c, *s]` of some questions at a layer, of one noisy picture after
    another.

    $$x + \sigma\,(\max x - \min x)\,\epsilon, \qquad \epsilon \sim \mathcal{N}(0, 1)$$

    in the model's own input space: sigma = `std` is a share of each picture's own range there, over
    all its channels. The same fields of noise serve every image of a batch, so that an image's map
    does not depend on its batch. They are drawn on the CPU by a generator of their own from `seed`:
    the same on every device, and none of yours is touched. One run forward and one look back a
    sample; no two are held at a time. Zeros, where nothing depends on the layer.
    """
    opened, picture = reruns.trace.cuts[cut], reruns.batch.picture.detach()
    each = (-1, *[1] * (picture.ndim - 1))
    low, high = at_least_float32(picture).flatten(1).aminmax(dim=1)
    reach = (std * (high - low)).view(each)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(samples):
        noise = torch.randn(
            picture.shape[1:], generator=generator, dtype=torch.float64, device="cpu"
        )
        inputs = with_pictures(
            reruns.batch.inputs,
            (at_least_float32(picture) + reach * noise.to(reach)).to(picture.dtype),
        )
        with reruns.as_the_caller():
            trace = capture(
                reruns.trace.model, inputs, opened.layer, call=opened.call, grid=reruns.grid
            )
        (gradient,) = trace.gradients(lambda outputs: reruns.again(outputs, 1)[:, 0])
        if gradient is None:
            own = at_least_float32(opened.activations)
            gradient = own.new_zeros(()).expand(len(reruns.question.scores), *own.shape)
        yield reruns.sign * gradient[asked].flatten(0, 1)


def look_back(
    reruns: Reruns,
    asked: slice,
    maps: Float[Tensor, "r *s"],
    shares: tuple[float, ...] | None,
    *,
    at_once: int = 16,
) -> tuple[Float[Tensor, " r"], Float[Tensor, "r *s"]]:
    """The scores `[n b]` of the picture seen through a map each `[n b, *s]`, and their derivatives
    by the maps.

    Seen through as in `Reruns.look`: enlarged, then scaled to [0, 1] by the minimum and maximum
    there; both are part of the derivative. Each map serves its own question and image. `at_once` as
    in `Reruns.look`. Raises `SurgeryError` where the scores do not depend on the pixels.
    """
    if not isinstance(at_once, int) or at_once < 1:
        raise MethodError(
            f"Expected a number of pictures to show at once, 1 or more; got at_once={at_once!r}."
        )
    batch = reruns.batch
    step = max(1, at_once // len(batch))
    questions = range(len(reruns.question.scores))[asked]
    found: list[Tensor] = []
    slopes: list[Tensor] = []
    with allow_grad(), torch.enable_grad():
        pictures = at_least_float32(batch.picture.detach().clone())
        for start in range(0, len(questions), step):
            some = questions[start : start + step]
            own = (
                maps[start * len(batch) : (start + len(some)) * len(batch)]
                .detach()
                .clone()
                .requires_grad_()
            )
            masks = scaled(own.unflatten(0, (len(some), -1)), batch.size, shares)
            shown = through(pictures, masks)
            scores, by_pixel = _seen(reruns, shown.detach().to(batch.picture.dtype), list(some))
            found.append(scores)
            (slope,) = torch.autograd.grad(shown, own, by_pixel.to(shown))
            slopes.append(slope)
    return reruns.sign * torch.cat(found), reruns.sign * torch.cat(slopes)


def _seen(reruns: Reruns, shown: Tensor, questions: list[int]) -> tuple[Tensor, Tensor]:
    """Each question's score of its own version of the pictures, `[m b]`, and its derivative by
    their pixels.
    """
    scores: list[Tensor] = []

    def ask(outputs: Any) -> Tensor:
        told = reruns.again(outputs, len(questions))  # [n, m, b]
        own = torch.cat([told[j, version] for version, j in enumerate(questions)])
        scores.append(at_least_float32(own.detach()))
        return own

    with reruns.as_the_caller():
        trace = capture_pixels(reruns.trace.model, with_pictures(reruns.batch.inputs, shown))
    by_pixel, _ = trace.gradients(ask)
    return scores[0], by_pixel
