"""What a method can ask for: the words of the path, each made when it is first wanted, and once."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sightline.errors import LayerError, MethodError
from sightline.explanation.passes.higher_order import HigherOrder
from sightline.explanation.passes.rerun_gradients import masked_score_gradients, noisy_gradients
from sightline.explanation.passes.reruns import Reruns
from sightline.supply import Supply
from sightline.surgery import Trace
from sightline.targets import Question, probabilities
from sightline.targets.model_outputs import two_rows
from sightline.tensors import at_least_float32, first_weight, unexpanded

_AT_ONCE = 1 << 18
"""Numbers a method works on at once: a megabyte stays in a processor's cache."""

_AT_MOST = 1 << 24
"""The same for a method that runs the model again, where a run shared by targets is worth more."""

_RUN_AGAIN = {"rescore", "look", "look_back", "noisy_gradients"}
_OF_OTHER_RUNS = _RUN_AGAIN | {
    "second_derivatives", "third_derivatives", "log_probability_derivatives", "second_order"
}  # fmt: skip


def of_other_runs(wanted: Sequence[str]) -> bool:
    """Whether a method that asks for these compares scores of several runs of the model.

    >>> of_other_runs(["activations", "look"]), of_other_runs(["activations", "gradients"])
    (True, False)
    """
    return not _OF_OTHER_RUNS.isdisjoint(wanted)


class MethodInputs:
    """Everything that can be had from one run of a model for its questions.

    | word | is |
    |---|---|
    | `activations` | `[b, c, *s]` |
    | `gradients` | `[b, c, *s]` of the score asked for; stride 0 where it is the same |
    | `class_gradients` | `[k, b, c, *s]` of every class; `[k, b, c, 1, ...]` behind a linear head |
    | `probabilities` | `[b, k]`, softmax of the logits |
    | `explained` | `[b]`, the class asked for |
    | `scores` | `[b]`, the score asked for |
    | `head` | `[b, c]`, the linear head's weights of the class asked for (CAM) |
    | `rescore` | a function of shares `[m, b, c, *s]` that activations are multiplied by |
    | `look` | a function of maps `[m, b, *s]` that the image is seen through |
    | `look_back` | a function of maps `[b, *s]`: scores `[b]`, and their derivatives by the maps |
    | `noisy_gradients` | a function of noise: gradients `[b, c, *s]`, a noisy image after another |
    | `second_derivatives`, `third_derivatives` | `[b, c, *s]`, by one activation at a time |
    | `log_probability_derivatives` | all three, of the log-softmax of the class asked for |
    | `second_order` | a function of a utility: its gradient, its Hessian times activations |
    | `tally` | a function that counts positions where a formula had to be left |

    `rescore` and `look` give the scores `[m, b]`; their axes may be 1 where all share a value. The
    utilities are `"logit"` and `"rest"`.
    """

    def __init__(
        self, trace: Trace, question: Question, sign: float, reruns: Callable[[], Reruns]
    ) -> None:
        self.trace, self.question, self.sign, self._reruns = trace, question, sign, reruns
        self._higher = HigherOrder(question, sign, reruns, self._gradient)
        self._supplies: dict[tuple[int, int, int], Supply] = {}
        self._all_gradients: tuple[Tensor | None, ...] | None = None
        self._gradients: dict[int, Tensor] = {}
        self._classes: dict[int, Tensor] = {}
        self._cut_off: set[int] = set()

    def __enter__(self) -> "MethodInputs":
        return self

    def __exit__(self, *_: object) -> None:
        """Let go what was made: it holds the whole run and is held by it.

        Without, a run's memory would wait for the garbage collector.
        """
        self._supplies.clear()
        del self._higher

    def of(
        self, cut: int, wanted: Sequence[str], tally: Callable[[str, Tensor], None]
    ) -> list[Supply]:
        """The offers for one layer to a method that asks for `wanted`: all n targets, in groups.

        As many go together as fit into a cache. One where every class's gradients are wanted, which
        are many times as large.
        """
        n, step = len(self.question.scores), self._targets_at_once(cut, wanted)
        found = []
        for start in range(0, n, step):
            key = cut, start, min(start + step, n)
            if key not in self._supplies:
                self._supplies[key] = self._some(cut, slice(start, key[2]), tally)
            found.append(self._supplies[key])
        return found

    def _targets_at_once(self, cut: int, wanted: Sequence[str]) -> int:
        """How many targets a method works on at once."""
        activations = self.trace.cuts[cut].activations
        if not _RUN_AGAIN.isdisjoint(wanted):  # the targets share their runs
            return max(1, _AT_MOST // activations.numel())
        if "class_gradients" in wanted:
            return 1
        like = unexpanded(self._gradient(cut))[0] if "gradients" in wanted else activations
        # the activations of one image are expanded for all its targets, those of several repeated
        repeated = activations.numel() if len(activations) > 1 else 0
        return max(1, _AT_ONCE // max(like.numel(), repeated))

    def _some(self, cut: int, targets: slice, tally: Callable[[str, Tensor], None]) -> Supply:
        """The offers for some of the targets, one after another along the batch axis."""
        n, trace = len(self.question.scores[targets]), self.trace

        def flat(values: Tensor) -> Tensor:
            """Of `[n, b, ...]`, one value a target, those of the targets asked."""
            return values[targets].flatten(0, 1)

        def explained() -> Tensor:
            return flat(self._indices().T)

        return Supply(
            {
                "activations": lambda: _repeated(at_least_float32(trace.cuts[cut].activations), n),
                "gradients": lambda: self._signed(flat(self._gradient(cut))),
                "class_gradients": lambda: self._signed(
                    _repeated(self._class_gradients(cut), n, axis=1)
                ),
                "probabilities": lambda: _repeated(probabilities(self._rows(), "softmax"), n),
                "explained": explained,
                "scores": lambda: self._signed(flat(at_least_float32(self._scores()))),
                "head": lambda: self._signed(self._head(cut)[explained()]),
                "second_derivatives": lambda: self._signed(flat(self._higher.of(cut).second)),
                "third_derivatives": lambda: self._signed(flat(self._higher.of(cut).third)),
                "log_probability_derivatives": lambda: self._higher.of_log_probabilities(
                    cut, targets, self._rows()
                ),
                "second_order": lambda: partial(self._second_order, cut, targets),
                "tally": lambda: tally,
                "rescore": lambda: partial(self._rescored, cut, targets),
                "look": lambda: partial(self._reruns().masked_scores, cut, targets),
                "look_back": lambda: partial(
                    masked_score_gradients, self._reruns(), targets, shares=trace.cuts[cut].shares
                ),
                "noisy_gradients": lambda: partial(self._noisy_gradients, cut, targets),
            }
        )

    def _scores(self) -> Tensor:
        return self.question.scores.detach()

    def _signed(self, tensor: Tensor) -> Tensor:
        return tensor if self.sign == 1 else (unexpanded(tensor) * self.sign).expand_as(tensor)

    def connected(self, cut: int) -> bool:
        """Whether the scores depend on the layer, as far as anybody asked for gradients."""
        if cut in self._gradients and not unexpanded(self._gradients[cut]).any():
            self._cut_off.add(cut)
        return cut not in self._cut_off

    def notes(self, cut: int, method: str, wanted: Sequence[str]) -> list[str]:
        """What a user should know of how a method came to its map."""
        notes = []
        if set(wanted) <= {"activations", "tally"}:
            notes.append(
                f"{method} is class-agnostic: it asks for activations only, and its map is the same"
                " for and against every target"
            )
        if (strategy := self._higher.strategy(cut, wanted)) is not None:
            notes.append(f"second and third derivatives made by {strategy!r} (docs/exact.md)")
        return notes

    def _gradient(self, cut: int) -> Tensor:
        """`[n, b, c, *s]`, for all layers by one backward pass."""
        if self._all_gradients is None:
            self._all_gradients = self._backward()
        if cut not in self._gradients:
            gradient = self._all_gradients[cut]
            if gradient is None:
                own = at_least_float32(self.trace.cuts[cut].activations)
                gradient = own.new_zeros(()).expand(len(self.question.scores), *own.shape)
            self._gradients[cut] = gradient
        return self._gradients[cut]

    def _backward(self) -> tuple[Tensor | None, ...]:
        """Of classes from the logits on: nothing lies between them and the scores to go through."""
        rows, indices = self.question.rows, self.question.indices
        if rows is None or indices is None:
            return self.trace.gradients(self.question.scores)
        return self.trace.gradients(rows, indices)

    def _rescored(self, cut: int, targets: slice, shares: Tensor) -> Tensor:
        """The scores of activations times shares.

        Where none differs from the first by more than rounding, they do not depend on the layer.
        """
        scores = self._reruns().rescored(cut, targets, shares)
        weight = first_weight(self.trace.model)
        dtype = scores.dtype if weight is None else weight.dtype
        rounding = torch.finfo(dtype).eps * scores[:1].abs().amax()
        if len(scores) > 1 and bool((scores - scores[:1]).abs().amax() <= rounding):
            self._cut_off.add(cut)
            return scores[:1].expand_as(scores)
        return scores

    def _noisy_gradients(self, cut: int, targets: slice, **noise: Any) -> Iterator[Tensor]:
        """Where none of them is anything, the scores do not depend on the layer."""
        anywhere = False
        for gradient in noisy_gradients(self._reruns(), cut, targets, **noise):
            anywhere = anywhere or bool(unexpanded(gradient).any())
            yield gradient
        if not anywhere:
            self._cut_off.add(cut)

    def _second_order(self, cut: int, targets: slice, utility: str) -> tuple[Tensor, Tensor]:
        gradient, hessian = self._higher.second_order(cut, utility)
        if not unexpanded(gradient).any():
            self._cut_off.add(cut)
        first, second = (one[targets].flatten(0, 1) for one in (gradient, hessian))
        return self._signed(first), self._signed(second)

    def _class_gradients(self, cut: int) -> Tensor:
        if cut not in self._classes:
            rows, activations = self._rows(), self.trace.cuts[cut].activations
            gradient = self.trace.class_gradients(rows, cut)
            if gradient is None:
                self._cut_off.add(cut)
                gradient = at_least_float32(activations).new_zeros(
                    rows.shape[1], *activations.shape
                )
            self._classes[cut] = gradient
        return self._classes[cut]

    def _rows(self) -> Tensor:
        rows = self.question.rows
        why = self.question.without_softmax
        if rows is None or why is not None:
            raise MethodError(
                "Expected a classifier with several classes for the softmax scores; the target is"
                f" {why}. Take score='exp', or score='sigmoid' for a single logit."
            )
        return rows

    def _indices(self) -> Tensor:
        if self.question.indices is None:
            raise MethodError(
                f"Expected a class to explain; the target is {self.question.without_softmax}, which"
                " has no class number. Take a method that needs gradients only, such as"
                " grad_cam_pp."
            )
        return self.question.indices

    def _head(self, cut: int) -> Tensor:
        self._indices()  # a function of the outputs has no classes
        rows = self.question.logits
        head = None if rows is None else self.trace.head(rows, cut)
        if head is None:
            raise LayerError(
                "CAM needs a network whose outputs are one linear layer on the spatial mean of"
                f" {self.trace.cuts[cut].layer!r}; in {type(self.trace.model).__name__} something"
                " else lies between. Take method='grad_cam', which is the same map where CAM is"
                " defined and works here too."
            )
        head = at_least_float32(head)
        return two_rows(head, dim=0) if self.question.single else head


def _repeated(tensor: Tensor, n: int, axis: int = 0) -> Tensor:
    """The batch axis n times over, one target after another. Of one image nothing is copied."""
    before, after = tensor.shape[:axis], tensor.shape[axis:]
    return tensor.unsqueeze(axis).expand(*before, n, *after).flatten(axis, axis + 1)
