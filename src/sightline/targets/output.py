"""One of several outputs, or one number in them: a head, a channel, a neuron."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from sightline.errors import TargetError
from sightline.targets.question import ask
from sightline.targets.target import Aim, Key, Names, Size, part, reduced, what_came


@dataclass(frozen=True, eq=False)
class Output(Aim):
    """Any target, asked of one of several outputs.

    Of an auxiliary head, say, of `logits_per_image`, or of `[1]` of a tuple.

    `key` is a name or an index; a list of them leads further in. `target` is whatever `explain`
    takes: a class, a name, `"top3"`, a function, another of these objects. Alone it is answered as
    if the model had returned only that output, with confidences and class names; in a list of
    several it gives its score.
    """

    key: Key
    target: Any = None

    def within(self, outputs: Any) -> tuple[Any, Any] | None:
        """That output, and the target."""
        return part(outputs, self.key), self.target

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        question = ask(self.target, part(outputs, self.key), classes=classes, size=size)
        if len(question.scores) != 1:
            raise TargetError(
                f"Expected one question of the output {self.key!r} in a list of several;"
                f" {self.target!r} asks {len(question.scores)}. Write one Output(...) for each."
            )
        return question.scores[0]

    def __str__(self) -> str:
        target = (
            "predicted" if self.target is None else getattr(self.target, "__name__", self.target)
        )
        return f"{target} of {self.key}"


@dataclass(frozen=True, eq=False)
class Neuron(Aim):
    """One channel of an output, at one place of it or summed up over all.

    It says what an inner number responds to.

    The outputs (or the one that `output` names) are `[b, ..., c, ...]` with the channels along
    `axis`. `at` is an index into the remaining axes: `(row, column)` of a map `[b, c, h, w]`,
    `(token,)` of `[b, n, c]` with `axis=-1`. Without it the places are averaged, or summed with
    `reduce="sum"`.

    >>> import torch
    >>> maps = torch.arange(8.0).reshape(1, 2, 2, 2)
    >>> Neuron(1)(maps), Neuron(1, at=(0, 1))(maps), Neuron(0, axis=-1, reduce="sum")(maps)
    (tensor([5.5000]), tensor([5.]), tensor([12.]))
    """

    channel: int
    output: Key | None = None
    at: Sequence[int] | None = None
    axis: int = 1
    reduce: Literal["mean", "sum"] = "mean"

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        values = outputs if self.output is None else part(outputs, self.output)
        if not isinstance(values, Tensor) or values.ndim < 2:
            raise TargetError(
                f"Expected an output [b, c, ...] to take a channel of; {what_came(values)}"
            )
        axis = self.axis % values.ndim
        if axis == 0 or not -values.ndim <= self.axis < values.ndim:
            raise TargetError(
                f"Expected an axis of channels among 1 to {values.ndim - 1}; got axis={self.axis}."
            )
        if not -values.shape[axis] <= self.channel < values.shape[axis]:
            raise TargetError(
                f"Expected a channel from 0 to {values.shape[axis] - 1} (the output is"
                f" {list(values.shape)}, its channels along axis {axis}); got {self.channel}."
            )
        values = values.select(axis, self.channel)
        if self.at is None:
            return reduced(values, self.reduce)
        places = tuple(values.shape[1:])
        if len(self.at) != len(places) or any(
            not -n <= i < n for i, n in zip(self.at, places, strict=True)
        ):
            raise TargetError(
                f"Expected a place within {list(places)}, an index for each axis; got"
                f" {tuple(self.at)}."
            )
        for index in self.at:
            values = values[:, index]
        return values

    def __str__(self) -> str:
        where = "" if self.at is None else f" at {', '.join(map(str, self.at))}"
        return f"channel {self.channel}{where}" + (
            "" if self.output is None else f" of {self.output}"
        )
