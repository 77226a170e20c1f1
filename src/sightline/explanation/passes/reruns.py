"""Scores of the model run again: with other activations, or on images seen through a map.

A method asks for them by the words `rescore` (`Reruns.rescored`) and `look`
(`Reruns.masked_scores`): the scores that were asked for, `[m, b]`, of m versions of a run. A few
versions go through the model at a time, so that memory does not grow with their number. Several
targets of one image share their runs.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import LayerError, MethodError
from sightline.explanation.job import Job
from sightline.maps.seen_through import channel_axis, seen_through
from sightline.maps.upsample import enlarged
from sightline.surgery import Trace, replay_from_layer, showing
from sightline.targets import Question
from sightline.tensors import at_least_float32, min_max, per_image, with_autocast

_REPLAYED = 1 << 22
"""Activations that are replayed at once, all versions together: 16 MB in float32."""

Versions = Float[Tensor, "m b"]
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reruns:
    """The model of one explanation, to be run again.

    `autocast` is the caller's, entered where the whole model runs.
    """

    job: Job
    question: Question
    trace: Trace
    grids: Mapping[str, Any]
    autocast: torch.dtype | None = None

    def ask_again(self, outputs: Any, versions: int, probability: bool = False) -> Tensor:
        """The same question of other outputs: the scores `[n, versions, b]`."""
        return self.job.ask_again(self.question, outputs, versions, probability)

    def rescored(self, cut: int, targets: slice, shares: Float[Tensor, "m #r #c *#s"]) -> Versions:
        """The scores, had the activations been multiplied by each of m shares `[m, r, c, *s]`.

        The model runs from the layer on, a few versions at a time, and in the precision of its
        weights, since small differences are what is looked for. Behind a pooled linear head nothing
        runs: there the score is a sum over the channels.
        """
        if shares.shape[2] > 1 and shares.shape[3:].numel() == 1:
            contributions = self._contributions(cut)
            if contributions is not None:
                return self._for_each_target(
                    shares, targets, lambda own: self._summed(own, contributions)
                )
        return self._for_each_target(shares, targets, lambda own: self._replayed(cut, own))

    def masked_scores(
        self,
        cut: int,
        targets: slice,
        maps: Float[Tensor, "m r *s"],
        change: Change | None = None,
        *,
        probability: bool = False,
        at_once: int = 16,
    ) -> Versions:
        """The scores of the image seen through each of m maps: the model's input times a mask.

        A mask is a map enlarged to the picture and scaled to [0, 1] by its minimum and maximum
        there; a constant map shows nothing and is 0 everywhere. `change` does something to masks
        `[m, b, *s]` before they are used. At most `at_once` pictures (but one of each image) go
        through the model at a time, and no more are ever held.
        """
        batch = self.job.batch
        step, shares = images_at_once(at_once, len(batch)), self.trace.cuts[cut].shares

        def scored(own: Tensor) -> Tensor:
            found = []
            with showing(self.trace.model, batch.inputs) as see, self.as_the_caller():
                for some in own.split(step):
                    masks = enlarged_masks(some, batch.size, shares)
                    shown = masked_images(batch.picture, masks if change is None else change(masks))
                    scores = self.ask_again(see(shown), len(some), probability)
                    found.append(at_least_float32(scores))
            return self.job.signed(torch.cat(found, dim=1), probability)

        return self._for_each_target(maps, targets, scored)

    def _for_each_target(
        self, wanted: Tensor, targets: slice, found: Callable[[Tensor], Tensor]
    ) -> Versions:
        """What `found` says, all n targets' scores `[n, m, b]`, of what each target wants `[m, b]`.

        Once for all of them, if all want the same.
        """
        n, b = len(self.question.scores[targets]), len(self.job.batch)
        parts = [wanted] if wanted.shape[1] == 1 else list(wanted.split(b, dim=1))
        if len(parts) == 1 or all(torch.equal(part, parts[0]) for part in parts[1:]):
            scores = found(parts[0])[targets]
        else:
            scores = torch.stack([found(part)[targets][j] for j, part in enumerate(parts)])
        return scores.transpose(0, 1).reshape(-1, n * b)

    def _replayed(self, cut: int, shares: Tensor) -> Tensor:
        model, inputs, traced = self.trace.model, self.job.batch.inputs, self.trace.cuts[cut]
        own = traced.activations.detach()
        most = max(1, _REPLAYED // max(1, own.numel()))
        found = []
        with replay_from_layer(
            model, inputs, traced.layer, call=traced.call, grid=self.grids.get(traced.layer)
        ) as replayed:
            for some in shares.split(min(most, replayed.most)):
                versions = own * some.to(own.dtype)
                scores = self.ask_again(replayed(versions.flatten(0, 1)), len(some))
                found.append(at_least_float32(scores))
        return self.job.sign * torch.cat(found, dim=1)

    def _contributions(self, cut: int) -> Tensor | None:
        """What each channel adds to the scores, `[n, b, c]`; None without a pooled linear head."""
        question = self.question
        if question.rows is None or question.indices is None or question.single:
            return None
        if (
            not self.trace.plain
        ):  # the head may be linear, what it was given is not the layer's mean
            return None
        weights = self.trace.head(question.rows, cut)
        if weights is None:
            return None
        means = at_least_float32(self.trace.cuts[cut].activations.detach()).flatten(2).mean(2)
        return at_least_float32(weights)[question.indices.T] * means

    def _summed(self, shares: Tensor, contributions: Tensor) -> Tensor:
        less = shares.reshape(*shares.shape[:2], -1).to(contributions.dtype) - 1
        if less.shape[1] == 1:
            changes = torch.einsum("mc,nbc->nmb", less[:, 0], contributions)
        else:
            changes = torch.stack([torch.einsum("mbc,bc->mb", less, one) for one in contributions])
        scores = at_least_float32(self.question.scores.detach()).unsqueeze(1)
        return self.job.sign * (scores + changes)

    def as_the_caller(self) -> AbstractContextManager[object]:
        """The caller's autocast, in which the model ran the first time."""
        return with_autocast(self.job.batch.picture.device, self.autocast)


def images_at_once(at_once: int, images: int) -> int:
    """How many versions of so many images go through the model together; at least one.

    >>> images_at_once(16, 3), images_at_once(2, 3)
    (5, 1)
    """
    if not isinstance(at_once, int) or at_once < 1:
        raise MethodError(
            f"Expected a number of pictures to show at once, 1 or more; got at_once={at_once!r}."
        )
    return max(1, at_once // images)


def enlarged_masks(
    maps: Float[Tensor, "m b *s"], size: Sequence[int], shares: Sequence[float] | None = None
) -> Tensor:
    """Masks in [0, 1] of the image's size: enlarged, then `(M - min) / (max - min)` (Score-CAM).

    The minimum goes before the enlarging, too, so that a map that hardly varies is not lost in
    rounding. A constant map has no scaling; it becomes 0 everywhere.

    >>> enlarged_masks(torch.tensor([[[2.0, 4.0], [3.0, 3.0]]]), [4])
    tensor([[[0.0000, 0.2500, 0.7500, 1.0000],
             [0.0000, 0.0000, 0.0000, 0.0000]]])
    """
    if maps.ndim - 2 != len(size):
        raise LayerError(
            f"Expected maps with an axis for each of the picture's {len(size)}; these have"
            f" {maps.ndim - 2}. Choose a layer with as many spatial axes as the input, or give the"
            " size of its grid."
        )
    flat = maps.flatten(0, 1)
    above = flat - per_image(flat.flatten(1).amin(1), flat.ndim)
    return min_max(enlarged(above, size, shares)).view(*maps.shape[:2], *size)


def masked_images(images: Tensor, masks: Tensor, fill: Tensor | None = None) -> Tensor:
    """Images `[b, c, *s]` seen through masks `[m, b, *s]`: `[m * b, c, *s]`.

    Clips may have the time before the channels. What is hidden is 0, or the `fill`.

    >>> masked_images(torch.ones(2, 3, 4), torch.rand(5, 2, 4)).shape
    torch.Size([10, 3, 4])
    """
    axis = channel_axis(images, masks.shape[2:])
    if axis is None:
        raise MethodError(
            f"Expected a picture [b, c, *s] to see through masks of {tuple(masks.shape[2:])}; this"
            f" input is {list(images.shape)}. Take a method that does not look at masked pictures:"
            " ablation_cam, or one of gradients."
        )
    return seen_through(images, masks, fill, axis).flatten(0, 1)
