"""What a model is given: its arguments, which of them is the image, and what its layers see of it.

Whoever opens a model needs some of this. It is worked out once, from what the user handed in, and
handed on: `Given.of(model, inputs)` where a public function begins, a `Given` everywhere inside.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from sightline.errors import SurgeryError
from sightline.surgery.harness.arguments import (
    NO_AXIS,
    arguments,
    channels_second,
    image_among,
    no_image,
    replaced,
    takes_waveforms,
)
from sightline.surgery.harness.first_convolution import Seen, first_seen
from sightline.surgery.harness.grids import Shape
from sightline.surgery.harness.input_frame import Frame, framed
from sightline.surgery.harness.model_io import run, tensors_in
from sightline.surgery.harness.stated_axes import channel_axis
from sightline.surgery.harness.supported import supported_model


@dataclass(frozen=True, eq=False)
class Given:
    """A model without its wrappers, and the arguments it is to be called with.

    `batch_only` tells that a tensor alone was handed in, no tuple and no mapping. `axes` is what
    the user said of the axes of the image (`"b t c"`), which then are not read off. What has to be
    looked for, or costs a run, is worked out when it is first asked for; where there is no image,
    that is when the error comes, since a model without one can be run, too.
    """

    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    batch_only: bool = False
    axes: Any = None
    # No `cached_property`: before Python 3.12 it holds a lock of its own while it computes, here
    # while `framed` waits for the guard's, which another thread may hold that waits for the former.
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @staticmethod
    def of(model: Any, inputs: Any, *, opened: bool = True, axes: Any = None) -> "Given":
        """A tensor, a tuple of positional or a mapping of keyword arguments; a `Given` as it is.

        Raises `ModelError` for a model that cannot be `opened`, as `supported_model` does.

        >>> import torch
        >>> given = Given.of(nn.ReLU(), {"noise": torch.rand(2), "image": torch.rand(1, 3, 8, 9)})
        >>> given.shape, given.size, given.frame.shares
        ((1, 3, 8, 9), (8, 9), None)
        """
        if isinstance(inputs, Given):
            return inputs
        return Given.of_supported(supported_model(model, opened=opened), inputs, axes)

    @staticmethod
    def of_supported(model: nn.Module, inputs: Any, axes: Any = None) -> "Given":
        """The same for what `supported_model` has just returned, which is not looked at again."""
        if isinstance(inputs, Given):
            return inputs
        return Given(model, *arguments(inputs, model), isinstance(inputs, Tensor), axes)

    @property
    def image(self) -> Tensor:
        """The first tensor with axes beyond batch and channels; else the first `[b, samples]`."""
        found = image_among(self.args, self.kwargs)
        if found.ndim == 2 and self.axes is None and not takes_waveforms(self.model):
            raise no_image(self.args, self.kwargs)
        return found

    @property
    def seen(self) -> Seen | None:
        """What the first convolution sees of the image, if there is one."""
        if "seen" not in self._known:
            self._known["seen"] = first_seen(self.model, self.image, self.args, self.kwargs)
        seen: Seen | None = self._known["seen"]
        return seen

    @property
    def channel_axis(self) -> int:
        """Which axis of the image holds the channels; 1 where it was cut into patches, too.

        Raises `ImageError` where the user's words for the axes do not fit.
        """
        if "axis" not in self._known:
            self._known["axis"] = _channel_axis(self)
        axis: int = self._known["axis"]
        return axis

    @property
    def picture(self) -> Tensor:
        """The image as `[b, c, *s]`, whatever order its axes were handed in."""
        return channels_second(self.image, self.channel_axis)

    @property
    def shape(self) -> Shape:
        """The image's shape `[b, c, *s]`, whatever order its axes were handed in."""
        if "shape" not in self._known:
            sizes = _patches(self.kwargs) if self.image.ndim == 3 else None
            shape = tuple(self.picture.shape)
            self._known["shape"] = shape if sizes is None else (shape[0], shape[2], *sizes)
        found: Shape = self._known["shape"]
        return found

    @property
    def size(self) -> Shape:
        """The spatial size of the image, the clip."""
        return self.shape[2:]

    @property
    def frame(self) -> Frame:
        """What the layers see of the image: some models resize and pad it first."""
        if "frame" not in self._known:
            seen = None if self.seen is None else self.seen.size
            self._known["frame"] = framed(self.model, self.shape, seen)
        frame: Frame = self._known["frame"]
        return frame

    @property
    def tensors(self) -> Iterator[Tensor]:
        """Every tensor among the arguments."""
        return tensors_in((self.args, self.kwargs))

    @property
    def key(self) -> Hashable:
        """What is remembered of a model is by this: the shapes of its inputs, how they are read."""
        return (self.axes, *((tuple(t.shape[1:]), t.dtype) for t in self.tensors))

    def run(self) -> Any:
        """Call the model, on copies of the arguments."""
        return run(self.model, self.args, self.kwargs)

    def with_image(self, image: Tensor) -> "Given":
        """The same with another image in the place of its own, wherever it was handed in."""

        own = self.image
        args, kwargs = replaced(self.args, self.kwargs, lambda one: image if one is own else one)
        return replace(self, args=args, kwargs=kwargs)


def _channel_axis(given: Given) -> int:
    """As it was said, or as the first convolution has it; without one, clips may have the time
    before the colours.

    >>> import torch
    >>> Given.of(nn.Flatten(), {"pixel_values_videos": torch.zeros(1, 8, 3, 32, 32)}).shape
    (1, 3, 8, 32, 32)
    >>> Given.of(nn.Flatten(), torch.zeros(2, 500), axes="b samples").shape
    (2, 1, 500)
    >>> patches = {
    ...     "pixel_values": torch.zeros(2, 64, 48),
    ...     "spatial_shapes": torch.tensor([[4, 12], [4, 12]]),
    ... }
    >>> Given.of(nn.Flatten(), patches).shape
    (2, 48, 4, 12)
    """
    shape = tuple(given.image.shape)
    if given.axes is not None:
        return channel_axis(given.axes, shape)
    if len(shape) == 3 and _patches(given.kwargs) is not None:
        return 1
    if given.seen is not None:
        return given.seen.channel_axis
    if len(shape) == 2:
        return NO_AXIS
    return 2 if len(shape) == 5 and shape[2] in (1, 3) and shape[1] not in (1, 3) else 1


def _patches(kwargs: Mapping[str, Any]) -> Shape | None:
    """How many rows and columns of patches each image was cut into.

    Images may come cut into patches `[b, n, pixels]` beside `spatial_shapes` `[b, 2]` or
    `patch_coord` `[b, n, 2]` (native resolution): then a patch is a position.
    """
    if isinstance(stated := kwargs.get("spatial_shapes"), Tensor) and stated.ndim == 2:
        sizes = stated
    elif isinstance(positions := kwargs.get("patch_coord"), Tensor) and positions.ndim == 3:
        sizes = positions.amax(1) + 1
    else:
        return None
    if bool((sizes != sizes[:1]).any()):
        raise SurgeryError(
            "Expected pictures cut into equally many rows and columns of patches; got"
            f" {sizes.tolist()}. Explain those of one size together, or each by itself: their maps"
            " have different grids."
        )
    return tuple(sizes[0].tolist())
