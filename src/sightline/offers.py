"""What a method can ask for: the words of the path, each made when it is first wanted, and once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import MethodError
from sightline.supply import Supply
from sightline.surgery import Trace, cam_head, pooled_head
from sightline.targets import Question, probabilities


class Offers:
    """Everything that can be had from one run of a model for its questions.

    | word | is |
    |---|---|
    | `activations` | `[b, c, *s]` |
    | `gradients` | `[b, c, *s]` of the score asked for |
    | `class_gradients` | `[k, b, c, *s]`, of every class; `[k, b, c, 1, ...]` and free behind a pooled linear head |
    | `probabilities` | `[b, k]`, softmax of the logits |
    | `explained` | `[b]`, the class asked for |
    | `scores` | `[b]`, the score asked for |
    | `head` | `[b, c]`, the linear head's weights of the class asked for (CAM) |
    | `tally` | a function that counts places where a formula had to be left |
    """

    def __init__(
        self, model: nn.Module, inputs: Any, trace: Trace, question: Question, *, sign: float, call: int, grid: Any
    ) -> None:
        self.model, self.inputs, self.trace, self.question, self.sign = model, inputs, trace, question, sign
        self.read = {"call": call, "grid": grid}
        self._gradients: tuple[Tensor | None, ...] | None = None
        self._classes: dict[int, Tensor] = {}
        self._cut_off: set[int] = set()

    def of(self, cut: int, asked: slice, tally: Callable[[str, Tensor], None]) -> Supply:
        """The offers for one layer and some of the n questions, which stand one after another along the batch axis."""
        n = len(self.question.scores[asked])
        return Supply({
            "activations": lambda: _repeated(_full(self.trace.cuts[cut].activations), n),
            "gradients": lambda: self._signed(self._gradient(cut)[asked].flatten(0, 1)),
            "class_gradients": lambda: self._signed(_repeated(self._class_gradients(cut), n, axis=1)),
            "probabilities": lambda: _repeated(probabilities(self._rows(), "softmax"), n),
            "explained": lambda: self._indices().T[asked].flatten(),
            "scores": lambda: self._signed(_full(self.question.scores[asked].detach()).flatten()),
            "head": lambda: self._signed(self._head(cut)[self._indices().T[asked].flatten()]),
            "tally": lambda: tally,
        })  # fmt: skip

    def _signed(self, tensor: Tensor) -> Tensor:
        return tensor if self.sign == 1 else tensor * self.sign

    def connected(self, cut: int) -> bool:
        """Whether the scores depend on the layer, as far as somebody asked for gradients."""
        return cut not in self._cut_off

    def _gradient(self, cut: int) -> Tensor:
        """`[n, b, c, *s]`, for all layers by one look back."""
        if self._gradients is None:
            scores = self.question.scores
            found = self.trace.gradients(lambda _: scores[0] if len(scores) == 1 else scores)
            self._gradients = tuple(g.unsqueeze(0) if g is not None and len(scores) == 1 else g for g in found)
        gradient = self._gradients[cut]
        if gradient is None or not gradient.any():
            self._cut_off.add(cut)
            activations = _full(self.trace.cuts[cut].activations)
            return torch.zeros_like(activations).expand(len(self.question.scores), *activations.shape)
        return gradient

    def _class_gradients(self, cut: int) -> Tensor:
        if cut not in self._classes:
            rows, activations = self._rows(), self.trace.cuts[cut].activations
            head = pooled_head(self.model, self.inputs, self.trace.cuts[cut].layer, **self.read, run=self._run(cut))
            if head is not None:
                places, ones = activations[0, 0].numel(), [1] * (activations.ndim - 2)
                free = _full(head).reshape(len(head), 1, -1, *ones) / places
                self._classes[cut] = free.expand(-1, len(activations), *free.shape[2:])
            else:
                gradient = self.trace.gradients(lambda _: rows.T)[cut]
                if gradient is None:
                    self._cut_off.add(cut)
                    gradient = torch.zeros(rows.shape[1], *activations.shape, device=activations.device)
                self._classes[cut] = gradient
        return self._classes[cut]

    def _rows(self) -> Tensor:
        rows = self.question.rows
        if rows is None or self.question.single:
            why = "a function of the outputs" if rows is None else "a single logit"
            raise MethodError(
                f"Expected a classifier with several classes for the softmax scores; the target is {why}. "
                "Take score='exp', or score='sigmoid' for a single logit."
            )
        return rows

    def _indices(self) -> Tensor:
        if self.question.indices is None:
            raise MethodError(
                "Expected a class to explain; the target is a function of the outputs, which has no class number. "
                "Take a method that needs gradients only, such as grad_cam_pp."
            )
        return self.question.indices

    def _run(self, cut: int) -> tuple[Tensor, Tensor] | None:
        """The activations and the model's own logits of this run."""
        rows = self.question.rows
        if rows is None:
            return None
        return self.trace.cuts[cut].activations, rows[:, 1:] if self.question.single else rows

    def _head(self, cut: int) -> Tensor:
        head = _full(cam_head(self.model, self.inputs, self.trace.cuts[cut].layer, **self.read, run=self._run(cut)))
        return torch.cat([-head, head]) if self.question.single else head


def _repeated(tensor: Tensor, n: int, axis: int = 0) -> Tensor:
    """The batch axis n times over, one question after another."""
    if n == 1:
        return tensor
    return torch.cat([tensor] * n, dim=axis)


def _full(tensor: Tensor) -> Tensor:
    """Map arithmetic is done in float32 or better, whatever the model's dtype."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
