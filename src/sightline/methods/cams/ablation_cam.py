"""Ablation-CAM: what the score loses without each channel (Desai and Ramaswamy 2020)."""

from collections.abc import Callable

import torch
from torch import Tensor

from sightline.tensors import per_image
from sightline.types import Activations, Weights


def ablation_cam(activations: Activations, rescore: Callable[[Tensor], Tensor]) -> Weights:
    r"""Weigh each channel by what the score loses when the channel is set to zero.

    $$w_k = S - S_{A^k = 0}$$

    The paper divides by S: $(y^c - y^c_k) / y^c$. That is one number an image. Where S is positive
    it changes no picture; where S is negative it turns every weight's sign round, so that what
    speaks against the class lights up, and near S = 0 it blows up. It is left out: the unit is
    score, and the map is right for scores of either sign.

    No gradients: the model runs once for each channel that is not silent, from the layer on only.
    Behind a pooled linear head it does not run at all: there the weight is exactly $W^c_k \cdot
    \mathrm{mean}(A^k)$. In bfloat16 the difference of two scores has few digits left; run in
    float32.

    `rescore(shares)` takes `[m, b, c, *s]`, where axes may be 1, and gives the scores `[m, b]` with
    the activations times each. Expects `[b, c, *s]`, returns `[b, c, 1, ...]`.

    >>> A = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> ablation_cam(
    ...     A, lambda shares: (A * shares).sum((2, 3))
    ... ).flatten()  # the score is the sum of all
    tensor([3., 7.])
    """
    shape = activations.shape[:2]
    there = (activations.detach() != 0).flatten(2).any(2).any(0).nonzero().flatten()
    shares = activations.new_ones(len(there) + 1, shape[1])
    shares[torch.arange(len(there), device=there.device) + 1, there] = 0
    scores = rescore(per_image(shares.unsqueeze(1), activations.ndim + 1))
    losses = (scores[:1] - scores[1:]).T
    return per_image(losses.new_zeros(shape).index_copy(1, there, losses), activations.ndim)
