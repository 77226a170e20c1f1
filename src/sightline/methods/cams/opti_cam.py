"""Opti-CAM: the mixture of channels with the highest score, by ascent (Zhang et al. 2023)."""

from collections.abc import Callable

import torch
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.tensors import per_image
from sightline.types import Activations, Scores, Weights

FORMS = ("paper", "difference")
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


def opti_cam(
    activations: Activations,
    look_back: Callable[..., tuple[Tensor, Tensor]],
    scores: Scores,
    *,
    steps: int = 100,
    lr: int | float = 0.1,
    form: str = "paper",
    at_once: int = 16,
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh the channels so that the picture seen through their mixture scores highest.

    $$w = \mathrm{softmax}(u^*), \qquad u^* = \arg\max_u f\bigl(x \circ n(U(L_u))\bigr), \qquad
      L_u = \sum_k \mathrm{softmax}(u)_k A^k$$

    U enlarges a map to the picture x, n scales it to [0, 1] by its minimum and maximum, f is the
    score asked for. From u = 0, where every channel has the same share, `steps` steps of Adam (0.9,
    0.999, 1e-8) at the rate `lr`; 100 at 0.1 are those that are reported of the paper. All steps
    are taken and the last u is used; nothing is drawn.

    - `form="paper"`: the score is made as high as can be, as above.
    - `form="difference"`: $|f(x) - f(x \circ n(U(L_u)))|$ is made as low as can be, as another
      library has it. Then a mask must not make the network surer than the whole picture does.

    Each image and each question climbs by itself: Adam works element by element. A channel that is
    constant changes no mask. It gets the weight 0 and has no part in the softmax; where it is not
    zero it is told to `tally("constant", ...)`.

    `look_back(maps, at_once=)` gives the scores `[b]` through maps `[b, *s]` and their derivatives
    by the maps. One run and one look back of the whole network a step. Expects `[b, c, *s]`,
    returns `[b, c, 1, ...]`.

    >>> def look_back(maps, **_):
    ...     return maps[:, 0], torch.tensor([[1.0, 0.0]])  # the first place is what counts
    >>> two = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> opti_cam(two, look_back, torch.zeros(1), steps=1).flatten()  # u = (0.1, -0.1)
    tensor([0.5498, 0.4502])
    """
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise MethodError(
            f"Expected a number of steps, 1 or more; got steps={steps!r}. The usual is 100."
        )
    if not 0 < lr < float("inf"):
        raise MethodError(f"Expected a rate of learning above 0; got lr={lr!r}. The usual is 0.1.")
    if form not in FORMS:
        raise MethodError(f"form is one of {FORMS}, not {form!r}. {near(str(form), FORMS)}")
    flat = activations.detach().flatten(2)
    low, high = flat.aminmax(dim=2)
    varies = ~(low == high)  # nan varies, and shows
    tally("constant", ~varies & (low != 0))
    u = first = second = activations.new_zeros(flat.shape[:2])
    for t in range(1, steps + 1) if bool(varies.any()) else ():
        shares = _shares(u, varies)
        maps = torch.einsum("bk,bkz->bz", shares, flat).reshape(len(flat), *activations.shape[2:])
        score, slopes = look_back(maps, at_once=at_once)
        if form == "difference":
            gap = scores - score
            upwards = gap.sign().masked_fill(gap.isnan(), torch.nan)  # torch's sign of nan is 0
            slopes = slopes * per_image(upwards, slopes.ndim)
        ascent = _by_softmax(shares, torch.einsum("bz,bkz->bk", slopes.flatten(1).to(flat), flat))
        first = _BETAS[0] * first + (1 - _BETAS[0]) * ascent
        second = _BETAS[1] * second + (1 - _BETAS[1]) * ascent**2
        root = (second / (1 - _BETAS[1] ** t)).sqrt()
        u = u + lr * (first / (1 - _BETAS[0] ** t)) / (root + _EPSILON)
    return per_image(_shares(u, varies), activations.ndim)


def _shares(u: Tensor, there: Tensor) -> Tensor:
    """The softmax over the channels that are there; 0 for the others, or for all if none is."""
    some = there.any(1, keepdim=True)
    return u.masked_fill(~there & some, -torch.inf).softmax(1).masked_fill(~there, 0)


def _by_softmax(shares: Tensor, by_share: Tensor) -> Tensor:
    r"""The derivative by u: $s_k (d_k - \sum_l s_l d_l)$."""
    return shares * (by_share - (shares * by_share).sum(1, keepdim=True))
