"""What the targets beyond classes have in common: settings, and one score an image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.errors import TargetError, near
from sightline.targets.class_names import find_class, label
from sightline.targets.model_outputs import held

Function = Callable[[Any], Tensor]
"""A score an image from whatever the model returned."""
Wanted = (
    int
    | str
    | Tensor
    | np.integer[Any]
    | np.ndarray[Any, np.dtype[Any]]
    | Function
    | Sequence[Any]
    | None
)
"""What a target may be written as."""
Key = str | int | Sequence[str | int]
"""Where in a nest of outputs a part stands: a name, an index, or several, from the outside in."""
Names = Sequence[str] | None
"""The names of the classes, where they are known."""
Size = Sequence[int] | None
"""The picture's extent along each axis in pixels, where it is known."""


class Aim:
    """A question with settings. It holds no model and no layer.

    Called with the outputs it gives one score an image, `[b]`. What the outputs do not say can be
    told beside them: the names of the classes, and the picture's spatial size, in whose pixels
    boxes and places are counted. `explain` tells both. `str` says in words what is asked.
    """

    def __call__(self, outputs: Any, classes: Names = None, size: Size = None) -> Tensor:
        """One score an image, `[b]`."""
        return self._scores(outputs, classes, size)

    def _scores(self, outputs: Any, classes: Names, size: Size) -> Tensor:
        raise NotImplementedError

    def within(self, outputs: Any) -> tuple[Any, Any] | None:
        """The part of the outputs that is asked, and what; None where all of them are."""
        return None


def part(outputs: Any, key: Key) -> Any:
    """One of several outputs, by name or index; a sequence of these leads further in.

    >>> part({"heads": (torch.zeros(2, 3), torch.zeros(2, 5))}, ["heads", 1]).shape
    torch.Size([2, 5])
    """
    steps = [key] if isinstance(key, str | int) else list(key)
    for step in steps:
        listed = (
            isinstance(outputs, Sequence)
            and isinstance(step, int)
            and -len(outputs) <= step < len(outputs)
        )
        if listed or (isinstance(outputs, Mapping) and step in outputs):
            outputs = outputs[step]
        elif isinstance(step, str) and getattr(outputs, step, None) is not None:
            outputs = getattr(outputs, step)
        else:
            raise TargetError(f"Expected an output called {step!r}; {what_came(outputs, step)}")
    return outputs


def what_came(outputs: Any, asked: Any = "") -> str:
    """The end of a message about an output that is not there: what came, and near names."""
    if isinstance(outputs, Tensor):
        return (
            f"the model returned one tensor {list(outputs.shape)}. Leave the name of the output"
            " out."
        )
    if isinstance(outputs, tuple | list) and not hasattr(outputs, "_fields"):
        return (
            f"the model returned {len(outputs)} things. Ask by their number, from 0 to"
            f" {len(outputs) - 1}."
        )
    names = [
        str(name)
        for name in getattr(outputs, "_fields", held(outputs))
        if not str(name).startswith("_")
    ]
    end = (
        near(str(asked), names)
        if names
        else "Ask with a function of the outputs: target=lambda out: ..."
    )
    return f"the model returned a {type(outputs).__name__} without it. {end}"


def class_numbers(klass: Any, b: int, classes: Names, count: int) -> Tensor:
    """The class number of each of `b` images, `[b]`.

    It is one number or name for all, or a tensor with one an image.

    >>> class_numbers("cat", 2, ["dog", "cat"], 2)
    tensor([1, 1])
    """
    if isinstance(klass, str):
        return torch.full((b,), find_class(klass, classes, count), device="cpu")
    numbers = _numbers(klass)
    if (
        numbers.is_floating_point()
        or numbers.is_complex()
        or numbers.dtype == torch.bool
        or numbers.ndim > 1
    ):
        raise TargetError(f"Expected a class as number, name or integer tensor [b]; got {klass!r}.")
    if numbers.ndim == 1 and len(numbers) != b:
        raise TargetError(
            f"Expected one class for each of the {b} images; got {len(numbers)}. One number asks it"
            " of every image."
        )
    if numbers.numel() and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise TargetError(f"Expected a class from 0 to {count - 1}; got {numbers.tolist()}.")
    return numbers.long().expand(b)


def class_in_words(klass: Any, classes: Names = None) -> str:
    """A class in words, for the name of a question.

    >>> class_in_words(None), class_in_words("cat"), class_in_words(3)
    ('predicted', 'cat', 'class 3')
    """
    if klass is None or isinstance(klass, str):
        return klass or "predicted"
    numbers = _numbers(klass)
    return label(int(numbers), classes) if numbers.ndim == 0 else "a class for each image"


def _numbers(klass: Any) -> Tensor:
    """Classes as a tensor, where they are; of plain numbers on the CPU."""
    return klass if isinstance(klass, Tensor) else torch.as_tensor(klass, device="cpu")


def reduced(values: Tensor, how: str) -> Tensor:
    """The mean or the sum of each image's values, `[b, ...]` to `[b]`, in float32 at least.

    A sum of halves overflows.

    >>> reduced(torch.tensor([[1.0, 3.0]]), "mean"), reduced(torch.tensor([1.0, 3.0]), "sum")
    (tensor([2.]), tensor([1., 3.]))
    """
    if how not in ("mean", "sum"):
        raise TargetError(f"Expected reduce='mean' or reduce='sum'; got {how!r}.")
    flat = values.reshape(len(values), -1).to(torch.promote_types(values.dtype, torch.float32))
    return flat.mean(1) if how == "mean" else flat.sum(1)
