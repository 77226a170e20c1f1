"""What a method learns by running the model again: with other activations, or on the picture seen
through a map.

`rescore` and `look` are questions in numbers: the scores that were asked for, `[m, b]`, of m
versions of a run. A few versions go through the model at a time, so that memory does not grow with
their number. Several questions about one image share their runs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sightline.errors import LayerError, MethodError
from sightline.explanation.inputs import Batch
from sightline.maps.upsample import enlarged
from sightline.surgery import Trace, replay_from_layer, showing
from sightline.targets import Question
from sightline.tensors import at_least_float32

_REPLAYED = 1 << 22
"""Activations that are replayed at once, all versions together: 16 MB in float32."""

Versions = Float[Tensor, "m b"]
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reruns:
    """The model of one explanation, to be run again.

    `again(outputs, versions, probability=...)` asks the question of other outputs, `[n, versions,
    b]`; `sign` is -1 where it is asked what speaks against the target. `autocast` is the caller's,
    entered for looks.
    """

    trace: Trace
    question: Question
    sign: float
    batch: Batch
    grid: Any
    again: Callable[..., Tensor]
    autocast: torch.dtype | None = None

    def rescore(self, cut: int, asked: slice, shares: Float[Tensor, "m #r #c *#s"]) -> Versions:
        """The scores, had the layer's activations been multiplied by each of m shares `[m, r, c,
        *s]`.

        The model runs from the layer on, a few versions at a time, and in the precision of its
        weights, since small differences are what is looked for. Behind a pooled linear head nothing
        runs: there the score is a sum over the channels.
        """
        if shares.shape[2] > 1 and shares.shape[3:].numel() == 1:
            contributions = self._contributions(cut)
            if contributions is not None:
                return self._each(shares, asked, lambda own: self._summed(own, contributions))
        return self._each(shares, asked, lambda own: self._replayed(cut, own))

    def look(
        self,
        cut: int,
        asked: slice,
        maps: Float[Tensor, "m r *s"],
        change: Change | None = None,
        *,
        probability: bool = False,
        at_once: int = 16,
    ) -> Versions:
        """The scores of the picture seen through each of m maps: `picture * mask`, in the model's
        own input space.

        A mask is a map enlarged to the picture and scaled to [0, 1] by its minimum and maximum
        there; a constant map shows nothing and is 0 everywhere. `change` does something to masks
        `[m, b, *s]` before they are used. At most `at_once` pictures (but one of each image) go
        through the model at a time, and no more are ever held.
        """
        if not isinstance(at_once, int) or at_once < 1:
            raise MethodError(
                "Expected a number of pictures to show at once, 1 or more; got"
                f" at_once={at_once!r}."
            )
        step = max(1, at_once // len(self.batch))
        shares = self.trace.cuts[cut].shares

        def seen(own: Tensor) -> Tensor:
            found = []
            with showing(self.trace.model, self.batch.inputs) as see, self.as_the_caller():
                for some in own.split(step):
                    masks = scaled(some, self.batch.size, shares)
                    shown = through(self.batch.picture, masks if change is None else change(masks))
                    found.append(
                        at_least_float32(self.again(see(shown), len(some), probability=probability))
                    )
            scores = torch.cat(found, dim=1)
            if self.sign == 1:
                return scores
            return 1 - scores if probability else -scores

        return self._each(maps, asked, seen)

    def _each(self, wanted: Tensor, asked: slice, found: Callable[[Tensor], Tensor]) -> Versions:
        """`found` gives all n questions' scores `[n, m, b]` of what is wanted `[m, b]`: once, if
        all want the same.
        """
        n, b = len(self.question.scores[asked]), len(self.batch)
        parts = [wanted] if wanted.shape[1] == 1 else list(wanted.split(b, dim=1))
        if len(parts) == 1 or all(torch.equal(part, parts[0]) for part in parts[1:]):
            scores = found(parts[0])[asked]
        else:
            scores = torch.stack([found(part)[asked][j] for j, part in enumerate(parts)])
        return scores.transpose(0, 1).reshape(-1, n * b)

    def _replayed(self, cut: int, shares: Tensor) -> Tensor:
        opened = self.trace.cuts[cut]
        own = opened.activations.detach()
        most = max(1, _REPLAYED // max(1, own.numel()))
        found = []
        with replay_from_layer(
            self.trace.model, self.batch.inputs, opened.layer, call=opened.call, grid=self.grid
        ) as again:
            for some in shares.split(min(most, again.most)):
                versions = own * some.to(own.dtype)
                found.append(at_least_float32(self.again(again(versions.flatten(0, 1)), len(some))))
        return self.sign * torch.cat(found, dim=1)

    def _contributions(self, cut: int) -> Tensor | None:
        """What each channel adds to the scores, `[n, b, c]`, behind a pooled linear head; None
        elsewhere.
        """
        question = self.question
        if (
            question.rows is None
            or question.indices is None
            or question.single
            or not self.trace.plain
        ):
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
        return self.sign * (at_least_float32(self.question.scores.detach()).unsqueeze(1) + changes)

    def as_the_caller(self) -> AbstractContextManager[object]:
        """The caller's autocast, in which the model ran the first time."""
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(self.batch.picture.device.type, dtype=self.autocast)


def scaled(
    maps: Float[Tensor, "m b *s"], size: Sequence[int], shares: Sequence[float] | None = None
) -> Tensor:
    """Masks in [0, 1] of the picture's size: enlarged first, then `(M - min) / (max - min)`, as
    Score-CAM does.

    The minimum goes before the enlarging, too, so that a map that hardly varies is not lost in
    rounding. A constant map has no scaling; it becomes 0 everywhere.

    >>> scaled(torch.tensor([[[2.0, 4.0], [3.0, 3.0]]]), [4])
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
    each = (-1, *[1] * len(size))
    large = enlarged(flat - flat.flatten(1).amin(1).view(each), size, shares).flatten(1)
    low, high = large.aminmax(dim=1, keepdim=True)
    constant = high == low
    masks = ((large - low) / (high - low).masked_fill(constant, 1)).masked_fill(constant, 0)
    return masks.view(*maps.shape[:2], *size)


def through(pictures: Tensor, masks: Tensor) -> Tensor:
    """Pictures `[b, c, *s]` times masks `[m, b, *s]`: `[m * b, c, *s]`. Clips may have the time
    before the channels.

    >>> through(torch.ones(2, 3, 4), torch.rand(5, 2, 4)).shape
    torch.Size([10, 3, 4])
    """
    size = masks.shape[2:]
    for axis in _axes(pictures):
        if pictures.shape[1 : axis + 1] + pictures.shape[axis + 2 :] == size:
            return (pictures * masks.unsqueeze(axis + 2).to(pictures.dtype)).flatten(0, 1)
    raise MethodError(
        f"Expected a picture [b, c, *s] to see through masks of {tuple(size)}; this input is"
        f" {list(pictures.shape)}. Take a method that does not look at masked pictures:"
        " ablation_cam, or one of gradients."
    )


def _axes(pictures: Tensor) -> Iterator[int]:
    """Where the channels may stand, behind the batch: first, then any later place."""
    yield from range(pictures.ndim - 1)
