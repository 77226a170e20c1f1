"""What the first convolution sees of the picture: the axis of the channels, and the size.

People's tensors have their channels last (`[b, steps, leads]`, `[b, h, w, 3]`) or behind the time,
and turn them round inside the model; some models resize the picture first. The convolution knows.
The model is run only as far as that: what comes before it is next to nothing.
"""

import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sightline.surgery.harness import guard
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.hooks import hooked
from sightline.surgery.harness.model_io import run, tensors_in
from sightline.surgery.harness.supported import made_of, modules_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_remembered: "weakref.WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Hashable, Seen | None]]]"
_remembered = weakref.WeakKeyDictionary()
"""For each model and shape of inputs: what the model was made of, and what was seen."""


@dataclass(frozen=True)
class Seen:
    """The axis of the image that became the convolution's channels, and the size it has there.

    The axis is 0 where the image has none. `size` is None where the convolution has other axes than
    the image: it sees one frame of many.
    """

    channel_axis: int
    size: Shape | None


class _Arrived(BaseException):
    """Ends the run: no `except Exception` of the model's own shall hold it up."""

    def __init__(self, entered: Tensor) -> None:
        self.entered = entered


def first_seen(
    model: nn.Module, image: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Seen | None:
    """What the first convolution sees of the `image` among the arguments; None: there is none.

    >>> class Signal(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.body = nn.Conv1d(12, 4, 3)
    ...
    ...     def forward(self, x):
    ...         return self.body(x.transpose(1, 2)).mean(2)
    >>> x = torch.rand(2, 100, 12)
    >>> first_seen(Signal(), x, (x,), {})
    Seen(channel_axis=2, size=(100,))
    """
    known = _remembered.setdefault(model, {})
    tensors = tensors_in((args, kwargs))
    key = tuple((tuple(one.shape[1:]), one.dtype) for one in tensors)
    made = made_of(model)
    if key not in known or known[key][0] != made:
        known[key] = made, _look(model, image, args, kwargs)
    return known[key][1]


def _look(
    model: nn.Module, image: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Seen | None:
    convolutions = [one for one in modules_of(model) if isinstance(one, _CONVOLUTIONS)]
    if not convolutions or _nothing_to_learn(convolutions[0], image):
        return None
    try:
        with (
            guard.untouched(model),
            torch.no_grad(),
            hooked([(one, _stop) for one in convolutions], before=True),
        ):
            run(model, args, kwargs)
    except _Arrived as arrived:
        return _seen(image, arrived.entered)
    except Exception:  # the model's own: it will be raised again, when the model is run in earnest
        return None
    return None


def _nothing_to_learn(convolution: nn.Module, image: Tensor) -> bool:
    """A square picture of as many channels as the convolution takes is what it looks like."""
    if image.ndim < 3:
        return False
    _, channels, *size = image.shape
    return (
        isinstance(convolution, nn.Conv2d)
        and len(size) == 2
        and size[0] == size[1]
        and convolution.in_channels == channels != size[1]
    )


def _stop(_: nn.Module, args: Any) -> None:
    raise _Arrived(args[0].detach())


def _seen(image: Tensor, entered: Tensor) -> Seen | None:
    if image.ndim == 2:  # a waveform, whose one channel the model has put in
        same_rank = entered.ndim == 3 and len(entered) == len(image)
        return Seen(0, tuple(entered.shape[2:]) if same_rank else None)
    if entered.ndim != image.ndim:
        return Seen(_before_the_frames(image, entered), None)
    if len(entered) != len(image):
        return None
    channels, size = entered.shape[1], tuple(entered.shape[2:])
    axes = [axis for axis in range(1, image.ndim) if image.shape[axis] == channels]
    fitting = [axis for axis in axes if tuple(image.movedim(axis, 1).shape[2:]) == size]
    same = [axis for axis in fitting if torch.equal(image.movedim(axis, 1), entered)]
    possible = same or fitting or axes or [1]
    return Seen(1 if 1 in possible else possible[0], size)


def _before_the_frames(image: Tensor, entered: Tensor) -> int:
    """Which axis holds the channels of a clip whose frames the convolution sees one by one."""
    channels = entered.shape[1] if entered.ndim == image.ndim - 1 else None
    first, second = image.shape[1:3]
    return 2 if channels == second != first else 1
