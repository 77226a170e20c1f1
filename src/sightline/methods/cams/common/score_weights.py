"""What Score-CAM and its relatives share: the channels looked through, and their weights."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError, near
from sightline.methods.cams.common.tally import Tally
from sightline.tensors import per_image
from sightline.types import Activations, Weights

FORMS = ("paper", "authors")
Look = Callable[..., Tensor]
"""Takes maps `[m, b, *s]`, gives scores `[m, b]` of the picture seen through them."""


def weigh_by_looks(
    activations: Activations,
    look: Look,
    changes: Sequence[Callable[[Tensor], Tensor] | None],
    *,
    top: int | None,
    form: str,
    at_once: int,
    tally: Tally,
) -> Weights:
    r"""Weights from the scores of the picture seen through each channel, for each of `changes`.

    The scores of all changes are averaged. `form="paper"`: the score is the one that is explained,
    and the weights are its softmax over the channels. `form="authors"`: the weights are the
    probability itself.

    A channel that is constant has no mask. It gets the weight 0 and has no part in the softmax.
    Where it is not zero, and so would have added something to the map, it is told to
    `tally("constant", ...)`. With `top=k` the k channels with the largest energy $\sum A^2$ are
    looked through, each image its own, and the rest get the weight 0.

    >>> scores = torch.tensor([0.0, 1.0]).log()[
    ...     :, None
    ... ]  # of two channels: e^0 = 0 and e^1 = 1 are their shares
    >>> from sightline.methods.cams.common.tally import ignore
    >>> maps = torch.tensor([[[1.0, 2.0], [0.0, 5.0], [3.0, 3.0]]])
    >>> options = {"top": None, "form": "paper", "at_once": 1, "tally": ignore}
    >>> weigh_by_looks(maps, lambda maps, *_, **__: scores, [None], **options).flatten()
    tensor([0., 1., 0.])
    """
    if form not in FORMS:
        raise MethodError(f"form is one of {FORMS}, not {form!r}. {near(str(form), FORMS)}")
    if top is not None and (not isinstance(top, int) or isinstance(top, bool) or top < 1):
        raise MethodError(
            f"Expected how many channels to look through, 1 or more; got top={top!r}. None takes"
            " all."
        )
    if not changes:
        raise MethodError("Expected at least one sample or step of the masks; got none.")
    flat = activations.detach().flatten(2)
    low, high = flat.aminmax(dim=2)
    varies = ~(low == high)  # nan varies, and shows
    tally("constant", ~varies & (low != 0))
    weights = activations.new_zeros(flat.shape[:2])
    most = int(varies.sum(1).amax()) if top is None else min(top, int(varies.sum(1).amax()))
    if most:
        chosen = (
            flat.square().sum(2).masked_fill(~varies, -1).topk(most, dim=1).indices.sort(1).values
        )
        maps = flat.gather(1, chosen.unsqueeze(2).expand(-1, -1, flat.shape[2]))
        maps = maps.transpose(0, 1).unflatten(2, activations.shape[2:])
        known: dict[str, Any] = {"probability": form == "authors", "at_once": at_once}
        scores = torch.stack([look(maps, change, **known) for change in changes]).mean(0)
        shares = _shares(scores.T, varies.gather(1, chosen), form)
        weights = weights.scatter(1, chosen, shares.to(weights.dtype))
    return per_image(weights, activations.ndim)


def _shares(scores: Tensor, there: Tensor, form: str) -> Tensor:
    """Scores `[b, k]` as weights; 0 where no channel is there."""
    if form == "authors":
        return scores.masked_fill(~there, 0)
    some = there.any(1, keepdim=True)
    return scores.masked_fill(~there & some, -torch.inf).softmax(1).masked_fill(~there, 0)
