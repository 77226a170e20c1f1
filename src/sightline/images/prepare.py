"""From pictures to a model's input, and back to the pixels it saw."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sightline.errors import ImageError
from sightline.images.decode import MAX_PIXELS
from sightline.images.read import called, read
from sightline.images.rgb import Mode
from sightline.types import Images, Preprocess

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, eq=False)
class Prepared:
    """Pictures as a model takes them, as it saw them, and what they are called."""

    inputs: Float[Tensor, "b c h w"]
    """`(seen - mean) / std`, ready for the model."""

    seen: Float[Tensor, "b c h w"]
    """RGB in [0, 1] (or grey, or RGBA) after resizing and cropping: the pixels a map belongs on."""

    sources: list[object]
    """What the pictures were read from, one each."""

    names: list[str]
    """One a picture: its file's name, or `image 3` for the fourth if it came without one."""


def prepare(
    sources: object, preprocess: Preprocess, *, max_pixels: int | None = MAX_PIXELS
) -> Prepared:
    """Read pictures and make them one batch, as `preprocess` says.

    `sources` is one picture in any form `read` takes, a sequence of them, or a batch in one piece:
    an array `[b, h, w, c]` or a uint8 tensor `[b, c, h, w]`.

    $$x = (\\mathrm{crop}(\\mathrm{resize}(p)) / 255 - \\mathrm{mean}) / \\mathrm{std}$$

    The short side becomes `resize` (the long one rounded down), or the picture is squeezed to a
    pair of them, antialiased, in 8 bits; then the centre is cut out, and where the picture is
    smaller than the crop it gets a black border. These are torchvision's `Resize` and `CenterCrop`
    on PIL images, bit for bit. Returns float32.

    Raises `ImageError` for a picture that cannot be read, when the pictures end in different sizes,
    and for a `preprocess` that makes no sense.

    >>> white = np.full((2, 4, 3), 255, dtype=np.uint8)
    >>> ready = prepare(
    ...     white, Preprocess(resize=None, crop=(2, 2), mean=(0.5,) * 3, std=(0.25,) * 3)
    ... )
    >>> ready.inputs.shape, ready.inputs.unique(), ready.seen.unique(), ready.names
    (torch.Size([1, 3, 2, 2]), tensor([2.]), tensor([1.]), ['image 0'])
    """
    mode = _mode(preprocess.channels)
    mean, std = _statistics(preprocess, preprocess.channels, 4, torch.device("cpu"))
    check_sides(preprocess)
    each = _each(sources)
    pictures, names = [], []
    for number, source in enumerate(each):
        origin = called(source)
        picture = read(source, max_pixels=max_pixels, name=origin or f"image {number}", mode=mode)
        pictures.append(_fit(picture, preprocess, origin or f"image {number}", max_pixels))
        names.append(PurePath(origin).name if origin else f"image {number}")
    _check_sizes(pictures, names)
    arrays = [np.array(picture) for picture in pictures]
    stacked = torch.from_numpy(np.stack(arrays))
    stacked = stacked.unsqueeze(3) if mode == "L" else stacked
    pixels = (
        stacked.permute(0, 3, 1, 2)
        .to(torch.float32, memory_format=torch.contiguous_format)
        .div_(255)
    )
    return Prepared((pixels - mean).div_(std), pixels, each, names)


def seen(inputs: Images, preprocess: Preprocess) -> Images:
    """The pixels behind a model-ready tensor, for display, float32.

    That is `inputs * std + mean`, held in [0, 1].

    For `prepare`'s own inputs these are its `seen` pixels, up to float32's rounding.

    >>> seen(torch.tensor([[[[-2.0, 0.0, 9.0]]]]), Preprocess(mean=(0.5,), std=(0.25,)))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    mean, std = _statistics(preprocess, inputs.shape[1], inputs.ndim, inputs.device)
    return (inputs.detach().to(torch.float32) * std + mean).clamp(0, 1)


def framed(source: object, preprocess: Preprocess, *, most: int = 640) -> Image.Image:
    """The part of a picture that `prepare` shows the model, at its own resolution, for display.

    Reduced where its longer side exceeds `most` pixels. Where the crop reaches beyond the picture,
    its border is black, as the model sees it.

    >>> framed(np.zeros((200, 300, 3), dtype=np.uint8), Preprocess(resize=100, crop=(80, 80))).size
    (160, 160)
    """
    picture = read(source)
    if preprocess.crop is not None:
        short, resize = min(picture.size), preprocess.resize or min(picture.size)
        scales = (
            (picture.height / resize[0], picture.width / resize[1])
            if isinstance(resize, tuple)
            else (short / resize, short / resize)
        )
        sides = zip(preprocess.crop, scales, strict=True)
        picture = _centre(picture, *(max(1, round(side * scale)) for side, scale in sides))
    picture = picture.copy()
    picture.thumbnail((most, most))
    return picture


def _mode(channels: int) -> Mode:
    """What pictures are made for a model that takes so many channels."""
    modes: dict[int, Mode] = {1: "L", 3: "RGB", 4: "RGBA"}
    if channels in modes:
        return modes[channels]
    raise ImageError(
        f"Expected ready tensors [b, {channels}, height, width]: the model's first convolution"
        f" takes {channels} channels, and a picture has one, three or four. Stack the channels and"
        " scale them as in training."
    )


def _each(sources: object) -> list[object]:
    if isinstance(sources, np.ndarray | Tensor) and sources.ndim != 4:
        return [sources]
    if isinstance(sources, str | bytes | bytearray | memoryview) or hasattr(sources, "read"):
        return [sources]
    if not isinstance(sources, Iterable):
        return [sources]  # a path, a PIL image, or what `read` refuses by its type
    pictures = list(sources)
    if not pictures:
        raise ImageError(
            "Expected at least one picture; came an empty sequence. Look where it was filled."
        )
    return pictures


def _fit(
    picture: Image.Image, preprocess: Preprocess, name: str, max_pixels: int | None
) -> Image.Image:
    if preprocess.resize is not None:
        picture = _resize(
            picture, preprocess.resize, _FILTERS[preprocess.interpolation], name, max_pixels
        )
    return picture if preprocess.crop is None else _centre(picture, *preprocess.crop)


def _resize(
    picture: Image.Image,
    resize: int | tuple[int, int],
    resample: Image.Resampling,
    name: str,
    max_pixels: int | None,
) -> Image.Image:
    width, height = resized(picture.size, resize)
    if (
        max_pixels is not None and width * height > max_pixels
    ):  # a line one pixel thin is enough for that, unless it is squeezed
        raise ImageError(
            f"{name}: expected at most {max_pixels:,} pixels after resizing; {picture.width} x"
            f" {picture.height} with a short side of {resize} becomes {width} x {height}. Cut it"
            " into pieces that are less thin, or, in Python, set max_pixels= (None: no limit)."
        )
    return picture.resize((width, height), resample)


def _centre(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Cut out the centre; Pillow fills what lies outside the picture with zeros, black."""
    left, top = crop_begins(picture.width, width), crop_begins(picture.height, height)
    return picture.crop((left, top, left + width, top + height))


def resized(size: tuple[int, int], resize: int | tuple[int, int] | None) -> tuple[int, int]:
    """The `(width, height)` of a picture after `Preprocess.resize`.

    A number is the short side's, and the long one is rounded down; a pair is `(height, width)`.

    >>> resized((500, 333), 256), resized((500, 333), (224, 192))
    ((384, 256), (192, 224))
    """
    if resize is None:
        return size
    if isinstance(resize, tuple):
        return resize[1], resize[0]
    least = min(size)
    width, height = (resize if side == least else int(resize * side / least) for side in size)
    return width, height


def crop_begins(length: int, crop: int) -> int:
    """Where a centre crop begins along one side; negative where it reaches beyond the picture.

    Cutting and filling round differently in torchvision, and so they do here.

    >>> crop_begins(384, 225), crop_begins(2, 5)
    (80, -1)
    """
    return round((length - crop) / 2) if crop <= length else -((crop - length) // 2)


def check_sides(preprocess: Preprocess) -> None:
    """Raise `ImageError` where a picture is to be resized or cropped to no pixels at all."""
    resize = preprocess.resize if isinstance(preprocess.resize, tuple) else (preprocess.resize,)
    if any(side is not None and side < 1 for side in (*resize, *(preprocess.crop or ()))):
        raise ImageError(
            f"Expected a resize and a crop of at least one pixel; came resize={preprocess.resize}, "
            f"crop={preprocess.crop}. None leaves a picture as large as it is."
        )


def _check_sizes(pictures: list[Image.Image], names: list[str]) -> None:
    sizes: dict[tuple[int, int], list[str]] = {}
    for picture, name in zip(pictures, names, strict=True):
        sizes.setdefault((picture.height, picture.width), []).append(name)
    if len(sizes) == 1:
        return
    listed = [
        f"{height} x {width}"
        f" ({owners[0]}{f' and {len(owners) - 1} more' if len(owners) > 1 else ''})"
        for (height, width), owners in sizes.items()
    ]
    raise ImageError(
        "Expected pictures of one size in a batch; came heights x widths of"
        f" {', '.join(listed[:8])}{' and more' if len(listed) > 8 else ''}. Give the preprocess a"
        " crop=(height, width), or prepare the pictures one by one."
    )


def _statistics(
    preprocess: Preprocess, channels: int, axes: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, `[1, c, 1, ...]`; one number serves every channel."""
    mean, std = preprocess.mean, preprocess.std
    if not {len(mean), len(std)} <= {1, channels} or not all(value > 0 for value in std):
        raise ImageError(
            f"Expected a mean and a positive std for each of {channels} channels, or one for all;"
            f" came mean={mean}, std={std}. Give a Preprocess that fits the model."
        )
    shape = (1, -1, *(1,) * (axes - 2))
    like: dict[str, Any] = {
        "dtype": torch.float32,
        "device": device,
    }  # whatever the process's defaults are
    return torch.tensor(mean, **like).view(shape), torch.tensor(std, **like).view(shape)
