"""True higher derivatives for a method that asks for them: one more run for each layer."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.errors import MethodError
from sightline.explanation.passes.reruns import Reruns
from sightline.surgery import Trace, capture, free_gradients
from sightline.surgery.derivatives.curvature import Curvature, curvature
from sightline.surgery.derivatives.second_order import Two, expansion
from sightline.targets import Question, scores_again
from sightline.tensors import allow_grad, at_least_float32

Three = tuple[Tensor, Tensor, Tensor]


class HigherOrder:
    """What `alpha="exact"` and Shapley-CAM need of one explanation.

    `gradient(cut)` is the scores' gradient `[n, b, c, *s]`.
    """

    def __init__(
        self,
        question: Question,
        sign: float,
        reruns: Callable[[], Reruns],
        gradient: Callable[[int], Tensor],
    ) -> None:
        self.question, self.sign, self._reruns, self._gradient = question, sign, reruns, gradient
        self._scores: dict[int, Curvature] = {}
        self._logarithms: dict[int, Curvature] = {}
        self._expansions: dict[tuple[int, str], Two] = {}

    def of(self, cut: int) -> Curvature:
        """Of the scores asked for, at a layer."""
        if cut not in self._scores:
            again = partial(
                self._run_again, cut, lambda outputs: self._reruns().ask_again(outputs, 1)[:, 0]
            )
            self._scores[cut] = curvature(again, self.question.scores, self._gradient(cut))
        return self._scores[cut]

    def strategy(self, cut: int, wanted: Sequence[str]) -> str | None:
        """How the derivatives that a method wanted were made; None where it wanted none."""
        if {"second_derivatives", "log_probability_derivatives"}.isdisjoint(wanted):
            return None
        made = self._scores if "second_derivatives" in wanted else self._logarithms
        return made[cut].strategy if cut in made else None

    def of_log_probabilities(self, cut: int, targets: slice, rows: Tensor) -> Three:
        """Of the log-softmax of the classes asked for, some questions' `[n b, c, *s]` three times.

        What speaks against a class is its gradients negated, as in the closed forms: the odd
        derivatives.
        """
        if cut not in self._logarithms:
            indices = self.question.indices
            assert indices is not None  # or there are no rows
            again = partial(
                self._run_again,
                cut,
                lambda outputs: log_probabilities(self._again(outputs), indices),
            )
            self._logarithms[cut] = curvature(again, log_probabilities(rows.detach(), indices))
        found = self._logarithms[cut]
        first, second, third = (
            one[targets].flatten(0, 1) for one in (found.first, found.second, found.third)
        )
        return self.sign * first, second, self.sign * third

    def second_order(self, cut: int, utility: str) -> Two:
        """A utility's gradient at a layer, and its Hessian times the activations, `[n, b, c, *s]`.

        `"logit"` is the score asked for, `"rest"` the same plus the log-probability. Behind a
        pooled linear head both are known, and nothing runs.
        """
        key = cut, utility
        if key not in self._expansions:
            target = self.question.without_softmax
            if utility == "rest" and target is not None:
                raise MethodError(
                    "Expected a classifier with several classes for utility='rest'; the target is"
                    f" {target}. Take utility='logit', which is the score itself."
                )
            self._expansions[key] = self._by_head(cut, utility) or self._by_tail(cut, utility)
        return self._expansions[key]

    def _by_tail(self, cut: int, utility: str) -> Two:
        indices = self.question.indices
        if utility == "logit" or indices is None:
            return expansion(
                partial(
                    self._run_again, cut, lambda outputs: self._reruns().ask_again(outputs, 1)[:, 0]
                ),
                self.question.scores,
            )
        scores = rest(self._again(self._reruns().trace.outputs), indices)
        return expansion(
            partial(self._run_again, cut, lambda outputs: rest(self._again(outputs), indices)),
            scores,
        )

    def _again(self, outputs: Any) -> Tensor:
        """The logits `[b, k]` of another run, read as those of the first."""
        return scores_again(self.question, outputs)

    def _by_head(self, cut: int, utility: str) -> Two | None:
        r"""Behind a pooled linear head: logits are linear, the log-probability is not.

        $$\nabla S_k = W_k / Z, \qquad H A = -\frac{1}{Z} \sum_k p_k (a_k - \sum_l p_l a_l)\, W_k,$$
        with $a = W\, \mathrm{mean}(A)$.
        """
        question, trace = self.question, self._reruns().trace
        if question.rows is None or question.indices is None or question.single or not trace.plain:
            return None
        found = trace.head(question.rows, cut)
        if found is None:
            return None
        weights = at_least_float32(found)
        own = at_least_float32(trace.cuts[cut].activations.detach())
        gradient = weights[question.indices.T]  # [n, b, c]
        hessian = torch.zeros_like(gradient)
        if utility == "rest":
            chances = at_least_float32(question.rows.detach()).softmax(1)
            moved = own.flatten(2).mean(2) @ weights.T
            gradient = 2 * gradient - chances @ weights
            hessian = (
                hessian - (chances * (moved - (chances * moved).sum(1, keepdim=True))) @ weights
            )
        grid = tuple(own.shape[2:])
        return free_gradients(gradient, grid), free_gradients(hessian, grid)

    def _run_again(self, cut: int, ask: Callable[[object], Tensor]) -> tuple[Trace, Tensor]:
        reruns = self._reruns()
        traced, inputs = reruns.trace.cuts[cut], reruns.job.batch.inputs
        trace = capture(
            reruns.trace.model, inputs, traced.layer, call=traced.call, grid=reruns.grids
        )
        with trace.kept(), allow_grad(), torch.enable_grad():
            return trace, ask(trace.outputs)


def rest(rows: Tensor, indices: Tensor) -> Tensor:
    """The logit less the cross-entropy, `[n, b]`, of classes `[b, n]`, from logits `[b, k]`.

    >>> rest(torch.tensor([[3.0, 3.0]]), torch.tensor([[1]]))  # 3 - log 2
    tensor([[2.3069]])
    """
    return at_least_float32(rows).gather(1, indices).T + log_probabilities(rows, indices)


def log_probabilities(rows: Tensor, indices: Tensor) -> Tensor:
    r"""The log-softmax `[n, b]` of classes `indices` `[b, n]`, from logits `[b, k]`.

    $$l_c = -\log\Bigl(1 + \sum_{k \ne c} e^{S_k - S_c}\Bigr)$$

    Nothing cancels where a network is sure, in its derivatives neither.

    >>> log_probabilities(torch.tensor([[0.0, 0.0]]), torch.tensor([[1]]))
    tensor([[-0.6931]])
    """
    rows = at_least_float32(rows)
    own = rows.gather(1, indices)  # [b, n]
    others = rows.unsqueeze(1) - own.unsqueeze(2)
    mask = torch.zeros_like(others, dtype=torch.bool).scatter(2, indices.unsqueeze(2), True)
    x = others.masked_fill(mask, -torch.inf).logsumexp(2)
    return -(x.relu() + torch.log1p(torch.exp(-x.abs()))).T
