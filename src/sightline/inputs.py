"""Whatever a user hands over as pictures becomes what the model takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import ImageError
from sightline.images import find, prepare
from sightline.types import Preprocess


@dataclass(frozen=True)
class Batch:
    """Inputs ready for the model, what each image is called, and the spatial size of the picture."""

    inputs: Any
    names: list[str]
    size: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def picture(self) -> Tensor:
        """The tensor that is the picture: the first with axes beyond batch and channels."""
        return _picture(self.inputs)


def ready(images: Any, model: nn.Module, preprocess: Preprocess) -> Batch:
    """A float tensor `[b, c, *s]` (or a tuple or mapping with one) is taken as it is; pictures are prepared.

    Pictures are files, PIL images, arrays and uint8 tensors, one or a list.
    A path may be a folder: then it is every picture in it. Prepared inputs go to the model's device and dtype.
    Raises `ImageError` for what is neither.
    """
    if isinstance(images, Tensor) and images.dtype != torch.uint8:
        return _taken(_checked(images, model))
    if isinstance(images, Mapping):
        return _taken(dict(images))
    if isinstance(images, list | tuple) and images and all(isinstance(one, Tensor) for one in images):
        if isinstance(images, tuple):
            return _taken(images)
        if len({one.shape for one in images}) == 1 and all(one.is_floating_point() for one in images):
            return _taken(_checked(torch.stack(images), model))
    prepared = prepare(expand(images), preprocess)
    anchor = next((p for p in model.parameters() if p.is_floating_point()), prepared.inputs)
    return Batch(prepared.inputs.to(anchor), prepared.names, tuple(prepared.inputs.shape[2:]))


def expand(images: Any) -> Any:
    """Folders and glob patterns as the files they hold; everything else as it is."""
    if isinstance(images, str | Path):
        return find(images) if Path(images).is_dir() or any(sign in str(images) for sign in "*?[") else images
    if isinstance(images, Sequence) and not isinstance(images, bytes | bytearray):
        parts: list[Any] = []
        for one in images:
            more = expand(one) if isinstance(one, str | Path) else one
            parts.extend(more if isinstance(more, list) and isinstance(one, str | Path) else [more])
        if not parts:
            raise ImageError("Expected at least one picture; got an empty list. Pass a file, a folder or a tensor.")
        return parts
    return images


def _checked(tensor: Tensor, model: nn.Module) -> Tensor:
    if not tensor.is_floating_point():
        raise ImageError(
            f"Expected a model-ready float tensor [b, 3, h, w]; got {tensor.dtype}. Pass raw pictures as files, PIL "
            "images or uint8 (they are then prepared), or normalise: (pixels / 255 - mean) / std."
        )
    flat = tensor.ndim == 3 and any(isinstance(part, nn.Conv2d) for part in model.modules())
    if tensor.ndim < 3 or flat:
        raise ImageError(
            f"Expected a batch [b, c, *s] (for photographs [b, 3, h, w]); got the shape {tuple(tensor.shape)}. "
            "A single picture needs a batch axis: images.unsqueeze(0)."
        )
    if tensor.numel() == 0:
        raise ImageError(f"Expected at least one picture with at least one pixel; got the shape {tuple(tensor.shape)}.")
    return tensor


def _taken(inputs: Any) -> Batch:
    picture = _picture(inputs)
    return Batch(inputs, [f"image {i}" for i in range(len(picture))], tuple(picture.shape[2:]))


def _picture(inputs: Any) -> Tensor:
    values = [inputs] if isinstance(inputs, Tensor) else list(inputs.values() if isinstance(inputs, dict) else inputs)
    for value in values:
        if isinstance(value, Tensor) and value.ndim >= 3 and value.is_floating_point():
            return value
    raise ImageError("Expected a float tensor [b, c, *s] among the model's inputs; found none.")
