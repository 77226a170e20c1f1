"""Smooth Grad-CAM++: derivatives are means over noisy pictures (Omeiza et al. 2019)."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.methods.cams.common.tally import Tally, ignore
from sightline.tensors import unexpanded
from sightline.types import Activations, Weights

FORMS = ("meant", "paper")


def smooth_grad_cam_pp(
    activations: Activations,
    noisy_gradients: Callable[..., Iterable[Tensor]],
    *,
    samples: int = 10,
    std: int | float = 0.1,
    seed: int = 0,
    form: str = "meant",
    tally: Tally = ignore,
) -> Weights:
    r"""Weigh each channel by its mean positive gradients over noisy pictures, alpha made of the
    means of their powers.

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(D^1_{ij}), \qquad
      \alpha_{ij} = \frac{D^2_{ij}}{2 D^2_{ij} + D^3_{ij} \sum_{ab} A_{ab}}, \qquad
      D^n = \frac{1}{N} \sum_{m=1}^{N} g(x + \epsilon_m)^n$$

    N = `samples`; the noise is normal, its standard deviation `std` times each picture's own range
    (maximum minus minimum, in the model's input space, as in SmoothGrad); A is that of the picture
    itself, without noise. One sample without noise is `grad_cam_pp`. Of 0.1 and 10 the paper says
    nothing that we know of; SmoothGrad takes 0.1 to 0.2.

    - `form="meant"`: as above, which is equation 10 of Grad-CAM++ with means for the derivatives;
      implementations take it so.
    - `form="paper"`: the print has $D^1$ in alpha's numerator. (So other implementers report, and
      so we take it.) Then alpha has the unit of one over a gradient and the weight none: steep
      channels count no more than flat ones.

    **Policy**, as in `grad_cam_pp`: the denominator is not let below $D^2$; where it would have
    been and it matters, it is told to `tally("clamped", places)`. Behind a ReLU that needs a place
    whose gradient is positive in the mean and negative in the third power. Where $D^2 = 0$ there is
    no gradient and no weight.

    `noisy_gradients(samples=, std=, seed=)` gives the gradients `[b, c, *s]` of one noisy picture
    after another; memory does not grow with their number. N runs forward and N looks back. Returns
    `[b, c, 1, ...]`, never negative.

    >>> def noisy(**_):
    ...     yield from torch.tensor(
    ...         [[[[1.0, -3.0]]], [[[3.0, -3.0]]]]
    ...     )  # means at the first place: 2, 5, 14
    >>> smooth_grad_cam_pp(torch.tensor([[[2.0, 3.0]]]), noisy).item()  # 2 x 5 / (2 x 5 + 14 x 5)
    0.125
    """
    if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
        raise MethodError(
            f"Expected a number of samples, 1 or more; got samples={samples!r}. The usual is 10."
        )
    if not isinstance(std, int | float) or not 0 <= std < float("inf"):
        raise MethodError(
            "Expected a standard deviation, 0 or more, as a share of the picture's range; got"
            f" std={std!r}. Try 0.1."
        )
    if form not in FORMS:
        raise MethodError(f"form is one of {FORMS}, not {form!r}. {near(str(form), FORMS)}")
    first, second, third = _means(noisy_gradients(samples=samples, std=std, seed=seed))
    space = tuple(range(2, activations.ndim))
    none = second == 0
    steepness = third / second.masked_fill(none, 1)  # the g of grad_cam_pp
    denominator = steepness * activations.sum(space, keepdim=True) + 2
    g = first.relu()
    tally("clamped", ((denominator < 1) & (first > 0)).expand_as(activations))
    alphas = denominator.clamp(min=1).reciprocal()
    if form == "paper":
        alphas = alphas * g / second.masked_fill(none, 1)
    return (alphas * g).expand_as(activations).sum(space, keepdim=True)


def _means(gradients: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """The means of the first three powers; a gradient that is the same everywhere counts once."""
    sums, n = torch.zeros(3, dtype=torch.float32, device="cpu").unbind(), 0
    for gradient in gradients:
        g = unexpanded(gradient)
        sums = (g, g**2, g**3) if n == 0 else (sums[0] + g, sums[1] + g**2, sums[2] + g**3)
        n += 1
    return sums[0] / n, sums[1] / n, sums[2] / n
