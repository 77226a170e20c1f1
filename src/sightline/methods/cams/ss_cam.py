"""SS-CAM: Score-CAM with noise on the masks (Wang et al. 2020)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.methods.cams.common.score_weights import Look, weigh_by_looks
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, Weights


def ss_cam(
    activations: Activations,
    look: Look,
    *,
    samples: int = 10,
    std: int | float = 2.0,
    seed: int = 0,
    top: int | None = None,
    at_once: int = 16,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh each channel by its mean score over noisy versions of its mask, as a softmax.

    $$w_k = \mathrm{softmax}_k
      \Bigl( \frac{1}{N} \sum_{i=1}^{N} f\bigl(X \circ (H_k + \epsilon_i)\bigr) \Bigr), \qquad
      \epsilon_i \sim \mathcal{N}(0, \sigma^2)$$

    H and f as in `score_cam`, N = `samples`, sigma = `std` in units of the mask, which goes from 0
    to 1: with the paper's 2 the noise is larger than the mask. Variant: SS-CAM (1) of the paper,
    noise on the maps and not on the picture; the mean is taken before the softmax. The same N
    fields of noise, drawn from `seed`, serve every channel and every image: what differs between
    two channels is then the channel and not the draw, and an image's map does not depend on its
    batch. No random generator of yours is touched. N times the forward passes of Score-CAM.

    Constant channels, `top` and `at_once` as in `score_cam`. Expects `[b, c, *s]`, returns `[b, c,
    1, ...]`.

    >>> two = torch.tensor([[[0.0, 1.0], [4.0, 0.0]]])
    >>> ss_cam(
    ...     two, lambda maps, change, **_: change(maps).sum(2).log(), samples=3, std=0.0
    ... ).flatten()  # no noise
    tensor([0.2000, 0.8000])
    """
    if not isinstance(samples, int) or samples < 1:
        raise MethodError(
            f"Expected a number of samples, 1 or more; got samples={samples!r}. The usual is 10."
        )
    if not std >= 0:
        raise MethodError(
            f"Expected a standard deviation that is not negative; got std={std!r}. The paper's"
            " is 2."
        )
    changes: list[Callable[[Tensor], Tensor] | None] = [
        partial(_noisy, std=std, seed=seed * 1_000_003 + i) for i in range(samples)
    ]
    return weigh_by_looks(
        activations, look, changes, top=top, form="paper", at_once=at_once, tally=tally
    )


def _noisy(masks: Tensor, std: int | float, seed: int) -> Tensor:
    """Masks `[m, b, *s]` with one field of noise for all of them."""
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(masks.shape[2:], generator=generator, dtype=torch.float64, device="cpu")
    return masks + (std * noise).to(masks)
