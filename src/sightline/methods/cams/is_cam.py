"""IS-CAM: Score-CAM along the way from nothing to the mask (Naidu et al. 2020)."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from sightline.errors import MethodError
from sightline.methods.cams.common.score_weights import Look, weigh_by_looks
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.types import Activations, Weights


def is_cam(
    activations: Activations,
    look: Look,
    *,
    steps: int = 10,
    top: int | None = None,
    at_once: int = 16,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh each channel by its mean score along the straight way from nothing to its mask, as a
    softmax.

    $$w_k = \mathrm{softmax}_k
      \Bigl( \frac{1}{N} \sum_{i=1}^{N} f\bigl(X \circ \tfrac{i}{N} H_k\bigr) \Bigr)$$

    H and f as in `score_cam`, N = `steps`: the integral of the score over the mask's strength, as
    integrated gradients go from a baseline to the picture. The score of the empty picture, which
    the paper subtracts, cancels in the softmax. Variant: the masks are i/N of H and never more than
    H; some libraries add the shares up, $\sum_{j \le i} j/N$, which is 5.5 times H at the end of
    ten steps. N times the forward passes of Score-CAM.

    Constant channels, `top` and `at_once` as in `score_cam`. Expects `[b, c, *s]`, returns `[b, c,
    1, ...]`.

    >>> import torch
    >>> two = torch.tensor([[[0.0, 1.0], [4.0, 0.0]]])
    >>> is_cam(
    ...     two, lambda maps, change, **_: change(maps).sum(2).log(), steps=1
    ... ).flatten()  # scores log 1 and log 4
    tensor([0.2000, 0.8000])
    """
    if not isinstance(steps, int) or steps < 1:
        raise MethodError(
            f"Expected a number of steps, 1 or more; got steps={steps!r}. The usual is 10."
        )
    changes: list[Callable[[Tensor], Tensor] | None] = [
        partial(_times, share=i / steps) for i in range(1, steps + 1)
    ]
    return weigh_by_looks(
        activations, look, changes, top=top, form="paper", at_once=at_once, tally=tally
    )


def _times(masks: Tensor, share: float) -> Tensor:
    return masks * share
