"""Alpha: how much each position counts in its channel's weight. Shared by the Grad-CAM++ family."""

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.methods.cams.common.tally import Tally
from sightline.tensors import unexpanded
from sightline.types import Activations, Gradients, Weights

ALPHAS = ("paper", "authors")

Spread = Float[Tensor, "b c *#s"]
"""One value a position, or one a channel where it is the same at all of them."""

Derivatives = tuple[Spread, Spread, Spread]
"""The first, second and third derivative of the score, with respect to one activation at a time."""


def alpha_from_derivatives(second: Spread, third: Spread, activation_sum: Spread) -> Spread:
    r"""Alpha of any score Y, from its diagonal derivatives (eq. 10).

    $$\alpha_{ij} = \frac{Y''_{ij}}{2 Y''_{ij} + Y'''_{ij} \sum_{ab} A_{ab}}$$

    A factor common to both derivatives cancels. To the letter: it has poles, and it is 0/0 = nan
    where both derivatives vanish; `curbed` deals with those.

    >>> import torch
    >>> g, activation_sum = torch.tensor([[[2.0, 0.5]]]), torch.tensor([[[4.0]]])
    >>> alpha_from_derivatives(g**2, g**3, activation_sum)
    tensor([[[0.1000, 0.2500]]])
    """
    return second / (2 * second + third * activation_sum)


def weigh_by_derivatives(
    activations: Activations, derivatives: Derivatives, alpha: str, guard: bool, tally: Tally
) -> Weights:
    """Weights of any score Y: alpha from its derivatives, curbed if asked, then `weigh`.

    Derivatives that are one a channel stand for the same value at every position, where each counts
    once. A factor common to all three scales the weights and nothing else.

    >>> import torch
    >>> from sightline.methods.cams.common.tally import ignore
    >>> A, g = torch.ones(1, 1, 2), torch.tensor([[[0.5]]])
    >>> weigh_by_derivatives(
    ...     A, (g, g**2, g**3), "paper", True, ignore
    ... ).item()  # 2 x 0.5 / (2 + 2 x 0.5)
    0.3333...
    """
    first, second, third = derivatives
    activation_sum = activations.sum(tuple(range(2, activations.ndim)), keepdim=True)
    alphas = alpha_from_derivatives(second, third, activation_sum).expand_as(activations)
    first = first.expand_as(activations)
    if guard:
        unknown = (
            second + third * activation_sum
        ).isnan()  # not 0/0, but nan that came in: stays visible
        alphas = curbed(alphas, first, tally).masked_fill(unknown, torch.nan)
    else:
        alphas = alphas.masked_fill(first <= 0, 0)  # 0/0 does no harm where nothing is positive
    return weigh(alphas, first, alpha)


def curbed(alphas: Gradients, first: Gradients, tally: Tally) -> Gradients:
    """Put 1/2 where alpha is not in (0, 1), and count the places where it mattered.

    1/2 is the value of alpha where the channel's sum or the third derivative is zero: what is left
    of the formula without its correction. An alpha that is 0, 1 or 0/0 is replaced too. It matters
    only where the first derivative is positive; these places are handed to `tally("guarded",
    places)`.

    >>> import torch
    >>> alphas, first = (
    ...     torch.tensor([[[0.25, -3.0, torch.nan]]]),
    ...     torch.tensor([[[1.0, 1.0, -1.0]]]),
    ... )
    >>> curbed(alphas, first, lambda word, places: print(word, places.tolist()))
    guarded [[[False, True, False]]]
    tensor([[[0.2500, 0.5000, 0.5000]]])
    """
    inside = (alphas > 0) & (alphas < 1)
    tally("guarded", ~inside & (first > 0))
    return alphas.masked_fill(~inside, 0.5)


def weigh(alphas: Gradients, first: Gradients, alpha: str = "paper") -> Weights:
    r"""Sum a channel's positive first derivatives, each times its alpha (eq. 5).

    $$w_k = \sum_{ij} \alpha_{ij}\,\mathrm{relu}(Y'_{ij})$$

    With `alpha="authors"` alpha is first divided by its sum over the positions with a positive
    derivative (where that sum is zero, by 1), as the authors' released code does. Takes `[b, c,
    *s]` twice, returns `[b, c, 1, ...]`. Raises `MethodError` for any other `alpha`.

    >>> import torch
    >>> alphas, first = torch.tensor([[[0.25, 0.25, 0.5]]]), torch.tensor([[[1.0, 3.0, -1.0]]])
    >>> weigh(alphas, first).item(), weigh(alphas, first, "authors").item()
    (1.0, 2.0)
    """
    if alpha not in ALPHAS:
        exact = (
            " 'exact' needs more derivatives: explain(..., alpha='exact') makes them."
            if alpha == "exact"
            else ""
        )
        raise MethodError(
            f"alpha is one of {ALPHAS}, not {alpha!r}.{exact}"
            f" {near(str(alpha), (*ALPHAS, 'exact'))}"
        )
    space, alphas, positive = (
        tuple(range(2, first.ndim)),
        unexpanded(alphas),
        unexpanded(first).relu(),
    )
    weights = (alphas * positive).expand_as(first).sum(space, keepdim=True)
    if alpha == "authors":
        total = (
            alphas.masked_fill(unexpanded(first) <= 0, 0).expand_as(first).sum(space, keepdim=True)
        )
        weights = weights / total.masked_fill(total == 0, 1)
    return weights
