"""Whatever a user hands over as pictures becomes what the model takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import ImageError, SurgeryError
from sightline.images import find, prepare
from sightline.surgery import noise
from sightline.surgery.harness.arguments import (
    arguments,
    as_handed_in,
    channels_second,
    image_among,
    plain,
    takes_a_list,
    takes_waveforms,
)
from sightline.surgery.harness.given import Given
from sightline.surgery.harness.model_io import mapped, tensors_in
from sightline.surgery.harness.stated_axes import channel_axis
from sightline.tensors import first_weight
from sightline.types import Preprocess


@dataclass(frozen=True)
class Batch:
    """Inputs ready for the model, and what is known of the images in them.

    `inputs` are a `Given` where the user said how they are to be read.
    """

    inputs: Any
    names: list[str]
    """What each image is called."""

    size: tuple[int, ...]
    """The picture's spatial size."""

    channel_axis: int = 1
    """Which axis of the picture, as it was handed in, holds the channels."""

    sources: list[Any] | None = None
    """What each image was read from; None for tensors."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def picture(self) -> Tensor:
        """The picture as `[b, c, *s]`: the first tensor with axes beyond batch and channels."""
        given = self.inputs
        args = (given.args, given.kwargs) if isinstance(given, Given) else arguments(given)
        return channels_second(image_among(*args), self.channel_axis)


def ready(images: Any, model: nn.Module, preprocess: Preprocess, axes: Any = None) -> Batch:
    """A float tensor `[b, c, *s]`, or a tuple or mapping with one, is taken; pictures are prepared.

    Pictures are files, PIL images, arrays and uint8 tensors, one or a list. A path may be a folder:
    then it is every picture in it. Prepared inputs go to the model's device and dtype, and get
    their axes in the order that `axes` says. Raises `ImageError` for what is neither, and where the
    `axes` do not fit.
    """
    images = mapped(images, plain)
    if isinstance(images, Tensor) and images.dtype != torch.uint8:
        return _as_it_is(_validated(images, model, axes), model, axes)
    if isinstance(images, Mapping):
        return _as_it_is(dict(images), model, axes)
    if isinstance(images, tuple) and any(map(_holds_ready, images)):
        return _as_it_is(images, model, axes)
    if isinstance(images, list) and images and all(_is_ready(one) for one in images):
        if _is_one_argument(images, model):
            return _as_it_is((images,), model, axes)
        sizes = sorted({tuple(one.shape) for one in images})
        if len(sizes) != 1:
            raise ImageError(
                "Expected model-ready float tensors of one size; got"
                f" {', '.join(map(str, sizes[:4]))}. Explain them one by one, or pass raw pictures"
                " (uint8, files, PIL), which are made one size."
            )
        joined = torch.cat(images) if images[0].ndim == _axes(model) else torch.stack(images)
        return _as_it_is(_validated(joined, model, axes), model, axes)
    prepared = prepare(expand(images), as_taken(preprocess, model))
    inputs = like_model(model, prepared.inputs)
    size = tuple(inputs.shape[2:])
    if axes is None:
        return Batch(inputs, prepared.names, size, sources=prepared.sources)
    given = Given.of_supported(model, turned(inputs, axes), axes)
    return Batch(given, prepared.names, size, given.channel_axis, prepared.sources)


def as_taken(preprocess: Preprocess, model: nn.Module) -> Preprocess:
    """How pictures become inputs of as many channels as the model's first convolution takes.

    >>> as_taken(Preprocess(), nn.Conv2d(1, 4, 3)).channels
    1
    """
    first = next((one for one in model.modules() if isinstance(one, nn.modules.conv._ConvNd)), None)
    if not isinstance(first, nn.Conv2d) or first.in_channels in (3, preprocess.channels):
        return preprocess
    return preprocess.taken_by(first.in_channels)


def turned(inputs: Tensor, axes: Any) -> Tensor:
    """Prepared pictures `[b, c, *s]` with their axes in the order that was said, if it was.

    >>> turned(torch.zeros(2, 3, 8, 9), "b h w c").shape
    torch.Size([2, 8, 9, 3])
    """
    return inputs if axes is None else as_handed_in(inputs, channel_axis(axes, inputs.shape))


def expand(images: Any) -> Any:
    """Folders and glob patterns as the files they hold; everything else as it is."""
    if isinstance(images, str) and not images:
        raise ImageError(
            "Expected a file, a folder or a pattern; got an empty string. Look where it was to be"
            " filled."
        )
    if isinstance(images, str | Path):
        several = Path(images).expanduser().is_dir() or any(sign in str(images) for sign in "*?[")
        return find(images) if several else images
    if isinstance(images, Sequence) and not isinstance(images, bytes | bytearray):
        parts: list[Any] = []
        for one in images:
            more = expand(one) if isinstance(one, str | Path) else [one]
            parts.extend(more if isinstance(more, list) else [more])
        if not parts:
            raise ImageError(
                "Expected at least one picture; got an empty list. Pass a file, a folder or a"
                " tensor."
            )
        return parts
    return images


def _validated(tensor: Tensor, model: nn.Module, axes: Any) -> Tensor:
    if not tensor.is_floating_point():
        raise ImageError(
            f"Expected a model-ready float tensor [b, 3, h, w]; got {tensor.dtype}. Pass raw"
            " pictures as files, PIL images or uint8 (they are then prepared), or normalise:"
            " (pixels / 255 - mean) / std."
        )
    waveform = tensor.ndim == 2 and (axes is not None or takes_waveforms(model))
    if not waveform and (tensor.ndim < 3 or (axes is None and tensor.ndim + 1 == _axes(model))):
        raise ImageError(
            "Expected a batch [b, c, *s] (for photographs [b, 3, h, w]); got the shape"
            f" {tuple(tensor.shape)}. A single picture needs a batch axis: images.unsqueeze(0)."
        )
    if tensor.numel() == 0:
        raise ImageError(
            "Expected at least one picture with at least one pixel; got the shape"
            f" {tuple(tensor.shape)}."
        )
    return tensor


def _is_ready(one: Any) -> bool:
    return isinstance(one, Tensor) and one.is_floating_point()


def _holds_ready(one: Any) -> bool:
    """Whether it is ready, or holds what is: a list of views, the pathways of a clip."""
    return any(tensor.is_floating_point() for tensor in tensors_in(one))


def _is_one_argument(images: list[Tensor], model: nn.Module) -> bool:
    """Whether a list of ready batches is what the model takes at once, and no list of pictures.

    Its sizes differ, as those of two pathways do, or its `forward` says that it takes a list.
    """
    axes = _axes(model)
    if any(one.ndim != axes or len(one) != len(images[0]) for one in images):
        return False
    return len({one.shape for one in images}) > 1 or takes_a_list(model)


_CONVOLUTIONS = {nn.Conv2d: 4, nn.Conv1d: 3, nn.Conv3d: 5}


def _axes(model: nn.Module) -> int | None:
    """How many axes the model's batches have, by its first convolution; None where it has none."""
    for kind, axes in _CONVOLUTIONS.items():
        if isinstance(model, kind):
            return axes
    for part in model._modules.values():
        axes_found = None if part is None else _axes(part)
        if axes_found is not None:
            return axes_found
    return None


def _as_it_is(inputs: Any, model: nn.Module, axes: Any) -> Batch:
    """Inputs that are ready, as they came."""
    given = Given.of_supported(model, inputs, axes)
    try:
        names = [f"image {i}" for i in range(len(given.image))]
        own = inputs if axes is None else given
        return Batch(own, names, given.size, given.channel_axis)
    except SurgeryError as error:  # for who explains it is the input that is wrong, not the model
        raise ImageError(str(error)) from None


def like_model(model: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs in the model's type and on its device."""
    weight = first_weight(model)
    return inputs if weight is None else inputs.to(weight)


def stand_in(model: nn.Module, preprocess: Preprocess, count: int = 1) -> Tensor:
    """Noise in the place of pictures, as the model takes them: their size, its channels.

    224 x 224 where the size depends on the picture, three channels where there is no convolution.
    """
    weight = first_weight(model)
    first = next((m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd)), None)
    shape = (count, first.in_channels if first else 3, *(preprocess.size or (224, 224)))
    return noise(
        shape, torch.zeros(0, dtype=torch.float32, device="cpu") if weight is None else weight
    )
