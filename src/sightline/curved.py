"""True second and third derivatives for a method that asks for them: the model runs once more, for each layer once."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from sightline.modes import full
from sightline.reruns import Reruns
from sightline.surgery import Trace, capture
from sightline.surgery.curvature import Curvature, curvature
from sightline.targets import Question, logits

Three = tuple[Tensor, Tensor, Tensor]


class Curved:
    """What `alpha="exact"` needs of one explanation. `gradient(cut)` is the scores' gradient `[n, b, c, *s]`."""

    def __init__(
        self, question: Question, sign: float, reruns: Callable[[], Reruns], gradient: Callable[[int], Tensor]
    ) -> None:
        self.question, self.sign, self._reruns, self._gradient = question, sign, reruns, gradient
        self._scores: dict[int, Curvature] = {}
        self._logarithms: dict[int, Curvature] = {}

    def of(self, cut: int) -> Curvature:
        """Of the scores asked for, at a layer."""
        if cut not in self._scores:
            again = partial(self._again, cut, lambda outputs: self._reruns().again(outputs, 1)[:, 0])
            self._scores[cut] = curvature(again, self.question.scores, self._gradient(cut))
        return self._scores[cut]

    def of_log_probabilities(self, cut: int, asked: slice, rows: Tensor) -> Three:
        """Of the log-softmax of the classes asked for, some questions' `[n b, c, *s]` three times.

        What speaks against a class is its gradients negated, as in the closed forms: the odd derivatives.
        """
        if cut not in self._logarithms:
            indices = self.question.indices
            assert indices is not None  # or there are no rows
            again = partial(self._again, cut, lambda outputs: log_probabilities(logits(outputs), indices))
            self._logarithms[cut] = curvature(again, log_probabilities(rows.detach(), indices))
        found = self._logarithms[cut]
        first, second, third = (one[asked].flatten(0, 1) for one in (found.first, found.second, found.third))
        return self.sign * first, second, self.sign * third

    def _again(self, cut: int, ask: Callable[[object], Tensor]) -> tuple[Trace, Tensor]:
        reruns = self._reruns()
        opened = reruns.trace.cuts[cut]
        trace = capture(reruns.trace.model, reruns.batch.inputs, opened.layer, call=opened.call, grid=reruns.grid)
        with torch.enable_grad():
            return trace, ask(trace.outputs)


def log_probabilities(rows: Tensor, indices: Tensor) -> Tensor:
    r"""The log-softmax `[n, b]` of classes `indices` `[b, n]`, from logits `[b, k]`.

    $$l_c = -\log\Bigl(1 + \sum_{k \ne c} e^{S_k - S_c}\Bigr)$$

    Nothing cancels where a network is sure, in its derivatives neither.

    >>> log_probabilities(torch.tensor([[0.0, 0.0]]), torch.tensor([[1]]))
    tensor([[-0.6931]])
    """
    rows = full(rows)
    own = rows.gather(1, indices)  # [b, n]
    others = rows.unsqueeze(1) - own.unsqueeze(2)
    mask = torch.zeros_like(others, dtype=torch.bool).scatter(2, indices.unsqueeze(2), True)
    x = others.masked_fill(mask, -torch.inf).logsumexp(2)
    return -(x.relu() + torch.log1p(torch.exp(-x.abs()))).T
