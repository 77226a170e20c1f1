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

    def __init__(self, model: nn.Module, inputs: Any, trace: Trace, question: Question, sign: float) -> None:
        self.model, self.inputs, self.trace, self.question, self.sign = model, inputs, trace, question, sign
        self._gradients: tuple[Tensor | None, ...] | None = None
        self._classes: dict[int, Tensor] = {}
        self.connected = True

    def of(self, cut: int, asked: int, tally: Callable[[str, Tensor], None]) -> Supply:
        """The offers for one layer and one question."""
        activations = self.trace.cuts[cut].activations
        return Supply({
            "activations": lambda: _full(activations),
            "gradients": lambda: self._gradient(cut)[asked] * self.sign,
            "class_gradients": lambda: self._class_gradients(cut) * self.sign,
            "probabilities": lambda: probabilities(self._rows(), "softmax"),
            "explained": lambda: self._indices()[:, asked],
            "scores": lambda: _full(self.question.scores[asked].detach()) * self.sign,
            "head": lambda: self._head(cut)[self._indices()[:, asked]] * self.sign,
            "tally": lambda: tally,
        })  # fmt: skip

    def _gradient(self, cut: int) -> Tensor:
        """`[n, b, c, *s]`, for all layers by one look back."""
        if self._gradients is None:
            scores = self.question.scores
            found = self.trace.gradients(lambda _: scores[0] if len(scores) == 1 else scores)
            self._gradients = tuple(g.unsqueeze(0) if g is not None and len(scores) == 1 else g for g in found)
        gradient = self._gradients[cut]
        if gradient is None:
            self.connected = False
            activations = _full(self.trace.cuts[cut].activations)
            return torch.zeros_like(activations).expand(len(self.question.scores), *activations.shape)
        return gradient

    def _class_gradients(self, cut: int) -> Tensor:
        if cut not in self._classes:
            rows, activations = self._rows(), self.trace.cuts[cut].activations
            head = pooled_head(self.model, self.inputs, self.trace.cuts[cut].layer)
            if head is not None:
                places, ones = activations[0, 0].numel(), [1] * (activations.ndim - 2)
                free = _full(head).reshape(len(head), 1, -1, *ones) / places
                self._classes[cut] = free.expand(-1, len(activations), *free.shape[2:])
            else:
                gradient = self.trace.gradients(lambda _: rows.T)[cut]
                if gradient is None:
                    self.connected = False
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

    def _head(self, cut: int) -> Tensor:
        head = _full(cam_head(self.model, self.inputs, self.trace.cuts[cut].layer))
        return torch.cat([-head, head]) if self.question.single else head


def _full(tensor: Tensor) -> Tensor:
    """Map arithmetic is done in float32 or better, whatever the model's dtype."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
