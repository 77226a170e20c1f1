"""A torchvision transform or a Hugging Face image processor, as a `Preprocess`: read, then proved.

What is read off its settings is believed only after it has made the same of two pictures of noise.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sightline.errors import ImageError
from sightline.images.prepare import prepare, resized
from sightline.images.processors import is_processor, of_processor
from sightline.images.transforms import Reading, is_transform, of_transform
from sightline.types import Preprocess

_ROUNDED = 3.5 / 255
"""How far two ways may round apart: Pillow resizes each axis in 8 bits, others at the end."""


def as_preprocess(given: object) -> Preprocess:
    """How a transform or an image processor prepares pictures, in the words of `Preprocess`.

    Taken are torchvision's transforms (`Compose` of either version, `weights.transforms()`, the
    weights themselves, timm's `create_transform`), image processors of Hugging Face transformers
    and what holds one; a `Preprocess` is returned as it is. They are run on two small pictures of
    noise and must agree with what was read, within the rounding of 8 bits.

    Raises `ImageError` for anything else, for a transform that is random, and for one that does
    more than resize, cut out the centre and normalise: the message says which step.

    >>> from torchvision import transforms
    >>> as_preprocess(
    ...     transforms.Compose(
    ...         [
    ...             transforms.Resize(40),
    ...             transforms.CenterCrop(32),
    ...             transforms.ToTensor(),
    ...             transforms.Normalize([0.5] * 3, [0.25] * 3),
    ...         ]
    ...     )
    ... )
    Preprocess(resize=40, crop=(32, 32), ..., mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    """
    if isinstance(given, Preprocess):
        return given
    given = getattr(given, "image_processor", given)  # a processor of pictures and words
    make = getattr(given, "transforms", None)
    if hasattr(given, "url") and callable(make):  # weights of torchvision
        given = make()
    if is_processor(given):
        return _proved(given, of_processor(given), _by_processor)
    if is_transform(given):
        return _proved(given, of_transform(given), _by_transform)
    raise ImageError(
        "Expected preprocess as a sightline.Preprocess(resize=..., crop=..., mean=..., std=...), a"
        " torchvision transform or a Hugging Face image processor; got"
        f" {given if isinstance(given, type) else type(given).__name__}. Write it as one of these."
    )


def _proved(given: Any, reading: Reading, run: Callable[[Any, Image.Image], Tensor]) -> Preprocess:
    """The first of the ways it may be read that makes the same of pictures."""
    name = type(given).__name__
    if reading.obstacle:
        raise _unreadable(name, reading.obstacle)
    seen = ""
    for candidate in reading.ways:
        seen = _difference(given, candidate, run)
        if not seen:
            return candidate
    unknown = f"{', '.join(reading.unknown)} cannot be read, and " if reading.unknown else ""
    raise _unreadable(name, f"{unknown}{seen}")


def _difference(
    given: Any, candidate: Preprocess, run: Callable[[Any, Image.Image], Tensor]
) -> str:
    """How what it makes of pictures differs from what `candidate` makes; empty if not at all."""
    for picture in _pictures(candidate):
        theirs, ours = _run(given, picture, run), prepare(picture, candidate).inputs[0]
        if not isinstance(theirs, Tensor) or theirs.shape != ours.shape:
            came = list(theirs.shape) if isinstance(theirs, Tensor) else type(theirs).__name__
            return (
                f"of a picture of {picture.width} x {picture.height} pixels it makes {came}, where"
                f" what was read of it makes {list(ours.shape)}"
            )
        std = torch.tensor(candidate.std, dtype=torch.float32, device="cpu").view(-1, 1, 1)
        apart = float(((theirs.detach().cpu().float() - ours) * std).abs().max())
        if not apart <= _ROUNDED:
            return (
                "what it makes of a picture differs from what was read of it, by up to"
                f" {apart * 255:.0f} of 255 grey levels"
            )
    return ""


def _run(given: Any, picture: Image.Image, run: Callable[[Any, Image.Image], Tensor]) -> Any:
    """What it makes of a picture; nobody's random numbers are used up."""
    state = random.getstate()
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return run(given, picture)
    except Exception as error:  # somebody else's code
        reason = str(error).partition("\n")[0]
        raise _unreadable(
            type(given).__name__,
            f"it fails on a PIL picture ({type(error).__name__}: {reason})",
        ) from error
    finally:
        random.setstate(state)


def _by_transform(transform: Any, picture: Image.Image) -> Any:
    return transform(picture)


def _by_processor(processor: Any, picture: Image.Image) -> Any:
    return processor(images=picture, return_tensors="pt")["pixel_values"][0]


def _pictures(preprocess: Preprocess) -> Iterator[Image.Image]:
    """Two pictures of noise, a wide one that is made smaller and a tall one that is enlarged.

    Where nothing is resized, the second is narrower than the crop. The noise is mild, for where a
    bicubic curve leaves 0..255 it is cut off sooner or later, and what a centre crop leaves on both
    sides is alike, for half pixels are rounded in both ways.
    """
    sides = [preprocess.resize] if isinstance(preprocess.resize, int) else preprocess.resize
    side = max(sides or preprocess.crop or (32,))
    noise = np.random.default_rng(0)
    for width, height in ((side * 7 // 4 + 2, side * 4 // 3 + 1), (side * 5 // 6 + 1, side + 3)):
        wide = width > height
        while _odd_rest(preprocess, (width, height), wide):
            width, height = width + wide, height + (not wide)
        yield Image.fromarray(noise.integers(64, 192, (height, width, 3), dtype=np.uint8))


def _odd_rest(preprocess: Preprocess, size: tuple[int, int], wide: bool) -> bool:
    """Whether the centre crop of such a picture leaves an odd rest on its long side."""
    if preprocess.crop is None or isinstance(preprocess.resize, tuple):
        return False  # of a picture that is squeezed the rest is what it is
    across, down = resized(size, preprocess.resize)
    return bool((across - preprocess.crop[1] if wide else down - preprocess.crop[0]) % 2)


def _unreadable(name: str, why: str) -> ImageError:
    return ImageError(
        "Expected a preprocess that resizes, cuts out the centre and normalises, so that pictures"
        f" can be shown and masked as the model saw them; got a {name}: {why}. Write it as"
        " sightline.Preprocess(resize=..., crop=..., mean=..., std=...), or prepare the pictures"
        " yourself and hand over the tensors [b, 3, h, w], with preprocess=sightline.Preprocess("
        "mean=..., std=...) to say how they are shown."
    )
