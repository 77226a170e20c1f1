"""What a classifier's outputs are: logits, or probabilities already, made inside the model.

A network that ends in a softmax or a sigmoid hands out probabilities. Then they are the
confidences as they are, and the score to explain is what went into that last operator: a softmax of
a softmax says 0.73 for certain, and of one column of probabilities each is above zero, "positive".
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.tensors import VIEWS, at_least_float32, is_operator

Kind = Literal["softmax", "sigmoid", "value"]
"""How logits become probabilities, or that the outputs are quantities and no scores of classes."""
Stated = Literal["softmax", "sigmoid", "probability", "value"]
"""What a card says: the same, or that the outputs are probabilities already."""

_ENDS = {"SoftmaxBackward0": "softmax", "SigmoidBackward0": "sigmoid"}
_LOG = ("LogSoftmaxBackward0", "LogSigmoidBackward0")
_PARTS = ("Slice", "Select", "Index", "Unbind", "Split", "Permute", "Transpose", "T", "Expand")
"""Operators that hand on some numbers as they are."""
_MIXED = ("Add", "Sub", "Rsub", "Mul", "Div", "Mean", "Sum", "Stack", "Cat", "Clamp", "Where")
"""Operators under which means of probabilities, and what is left to one, are probabilities."""
_MOST_NODES = 64
_CLOSE = 1e-3


@dataclass(frozen=True)
class Reading:
    """How outputs `[b, k]` are read.

    `kind` is how logits become probabilities, or became them. `already` tells that the outputs are
    probabilities, `log` that they are logarithms of them; `by` in words how that is known.

    >>> Reading("softmax", already=True).probabilities(torch.tensor([[0.25, 0.75]]))
    tensor([[0.2500, 0.7500]])
    """

    kind: Kind
    already: bool = False
    log: bool = False
    by: str = ""

    def probabilities(self, rows: Tensor) -> Tensor:
        """Confidences `[b, k]`, at least float32; of one column the second of two, `[b, 2]`.

        >>> Reading("sigmoid", already=True).probabilities(torch.tensor([[0.25]]))
        tensor([[0.7500, 0.2500]])
        """
        rows = at_least_float32(rows.detach())
        single = rows.shape[1] == 1
        if self.already:
            return torch.cat([1 - rows, rows], 1) if single else rows
        if single:
            rows = torch.cat([-rows, rows], 1)
        return rows.sigmoid() if self.kind == "sigmoid" or single else rows.softmax(1)

    @property
    def plain(self) -> bool:
        """Whether the outputs are logits."""
        return not (self.already or self.log)

    def logits(self, rows: Tensor) -> Tensor:
        """Scores `[b, k]` whose softmax, or sigmoid, the probabilities are, with the graph of rows.

        >>> Reading("sigmoid", already=True).logits(torch.tensor([[0.5]]))
        tensor([[0.]])
        """
        return self.log_of(rows) if self.already else rows

    def log_of(self, sure: Tensor) -> Tensor:
        r"""Probabilities as scores: $\log p$, or log odds where each class stands for itself."""
        sure = at_least_float32(sure)
        ends = torch.finfo(sure.dtype)
        if self.kind == "softmax":
            return sure.clamp_min(ends.tiny).log()
        return torch.logit(sure.clamp(ends.tiny, 1 - ends.eps / 2))

    @property
    def record(self) -> dict[str, Any]:
        """As plain JSON values, of which `Reading(**record)` makes it again."""
        return asdict(self)

    def notes(self, found: bool) -> list[str]:
        """What a reader should know; `found` tells that the scores before were found.

        >>> Reading("softmax", log=True, by="they come from a log-softmax").notes(True)[1]
        'explained are the scores before the log-softmax'
        """
        if self.plain:
            return []
        if self.log:
            return [
                f"the model's outputs are logarithms of probabilities ({self.by})",
                f"explained {'are the scores before the log-softmax' if found else 'is log p'}",
            ]
        score = "log p" if self.kind == "softmax" else "log p / (1 - p)"
        return [
            f"the model's outputs are probabilities already ({self.by}), and taken as they are",
            f"explained {f'are the scores before its {self.kind}' if found else f'is {score}'}",
        ]


PLAIN = Reading("softmax")
"""Of logits of classes that exclude each other."""
VALUE = Reading("value")
"""Of quantities."""


def reading_of(rows: Tensor, stated: Stated = "softmax") -> Reading:
    """How outputs `[b, k]` are read: by what is stated, by their last operator, by their range.

    >>> reading_of(torch.tensor([[2.0, -1.0]], requires_grad=True).softmax(1)).already
    True
    >>> reading_of(torch.tensor([[0.2, 0.8], [0.5, 0.5]])).by
    'each row sums to one'
    >>> reading_of(torch.tensor([[2.0, -1.0]]))
    Reading(kind='softmax', already=False, log=False, by='')
    """
    several = rows.shape[1] > 1
    if stated == "probability":
        exclusive = several and look_like_probabilities(rows)
        return Reading("softmax" if exclusive else "sigmoid", already=True, by="as its card says")
    kind: Kind = stated if several else "sigmoid"
    ends = _ends(rows)
    if ends and ends <= set(_ENDS) and _in_range(rows):
        last = _ENDS[next(iter(ends))]
        exclusive = several and (last == "softmax" or look_like_probabilities(rows))
        by = f"they come from a {last}"
        return Reading("softmax" if exclusive else "sigmoid", already=True, by=by)
    if several and ends == {"LogSoftmaxBackward0"}:
        return Reading("softmax", log=True, by="they come from a log-softmax")
    if several and ends == {"exp"} and look_like_probabilities(rows):
        return Reading("softmax", already=True, by="they come from a log-softmax")
    if kind == "softmax" and look_like_probabilities(rows):
        return Reading("softmax", already=True, by="each row sums to one")
    return Reading(kind)


def look_like_probabilities(scores: Tensor) -> bool:
    """Whether rows are non-negative and sum to one, as after a softmax; then they are no logits."""
    # most logits have a negative number and go no further; nan is not >= 0 either
    if scores.shape[1] < 2 or not scores.detach().min() >= 0:
        return False
    return all(abs(one - 1) < _CLOSE for one in scores.detach().float().sum(1).tolist())


def may_be_probabilities(rows: Tensor) -> bool:
    """Whether only the graph would tell that these are none: all lie between 0 and 1."""
    return _in_range(rows) and not look_like_probabilities(rows)


def _in_range(rows: Tensor) -> bool:
    held = rows.detach()
    return bool(held.min() >= 0) and bool(held.max() <= 1 + _CLOSE)


def _ends(rows: Tensor) -> set[str]:
    """The names of the operators that rows are made of, behind views and means of them.

    Those that end a model with probabilities are looked behind no further; any other is one that
    does not.
    """
    return set(_walk(rows.grad_fn))


def _walk(start: Any) -> Iterator[str]:
    stack, seen, mixed = [start], 0, False
    while stack:
        node, seen = stack.pop(), seen + 1
        if node is None or seen > _MOST_NODES:
            yield "something else"
        elif is_operator(node, VIEWS) or is_operator(node, _PARTS):
            stack.append(node.next_functions[0][0])
        elif is_operator(node, _MIXED):
            mixed = True
            stack.extend(one for one, _ in node.next_functions if one is not None)
        elif node.name() == "ExpBackward0" and node.next_functions[0][0] is not None:
            yield "exp" if node.next_functions[0][0].name() in _LOG else "something else"
        else:
            # a mean of logarithms is none
            yield "something else" if mixed and node.name() in _LOG else node.name()
