"""Whatever a picture is stored as, grey, 16 bits, palette, alpha, CMYK, floats: as 8-bit RGB."""

from typing import Any, Literal

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor

from sightline.errors import ImageError

Array = np.ndarray[Any, np.dtype[Any]]

Mode = Literal["L", "RGB", "RGBA"]
"""What a picture is made: grey, colours, or these with a fourth channel."""

_CHANNELS = (1, 3, 4)
_FORGIVEN = 1e-6  # a float array may leave [0, 1] by this much: rounding of whoever scaled it

_TO_UPRIGHT = {  # EXIF's orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def from_picture(picture: Image.Image, name: str, mode: Mode = "RGB") -> Image.Image:
    """A decoded Pillow picture of any mode as a new, upright RGB one; the given one is not changed.

    Or a grey one (`"L"`), or with the fourth channel that it has (`"RGBA"`).

    The result carries no metadata: its pixels are upright, and a second reader must not turn them
    again.
    """
    if 0 in picture.size:
        raise ImageError(
            f"{name}: expected a picture with pixels; came one of {picture.width} x"
            f" {picture.height}. Look where it was cut out."
        )
    turn = _TO_UPRIGHT.get(_orientation(picture))
    flat = _with_alpha(picture, name) if mode == "RGBA" else _flat(picture, name)
    if turn is not None:
        flat = flat.transpose(turn)
    flat = flat.convert(mode)
    flat.info = {}
    return flat


def from_array(array: Array, name: str, mode: Mode = "RGB") -> Image.Image:
    """An array `[h, w]` or `[h, w, c]`, c in 1, 3, 4: bool, uint8, uint16, or float in [0, 1]."""
    shape = list(array.shape)
    wanted = "an array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]"
    if array.size == 0:
        raise ImageError(
            f"{name}: expected {wanted} with pixels; came shape {shape}. Look where it was cut out."
        )
    if array.ndim != 2 and (array.ndim != 3 or shape[2] not in _CHANNELS):
        do = "Bring height, width and colours into that order."
        if array.ndim == 3 and shape[0] in _CHANNELS:
            do = "Channels come last: array.transpose(1, 2, 0)."
        elif array.ndim == 4:
            do = "It looks like a batch: give prepare [b, h, w, 3], or take one picture, array[0]."
        raise ImageError(f"{name}: expected {wanted}; came shape {shape}. {do}")
    if array.ndim == 3 and shape[2] == 1:
        array = array[:, :, 0]
    return from_picture(Image.fromarray(_eight_bits(array, name)), name, mode)


def from_tensor(tensor: Tensor, name: str, mode: Mode = "RGB") -> Image.Image:
    """A uint8 tensor `[c, h, w]`, c in 1, 3, 4, on any device, as torchvision reads images."""
    wanted = "a uint8 tensor [1, h, w], [3, h, w] or [4, h, w]"
    came = f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
    do = ""
    if tensor.dtype != torch.uint8:
        do = (
            "A float tensor is taken for a model's ready input [b, 3, h, w], which needs no"
            " preparing; for pixels in [0, 1] give (tensor * 255).round().byte()."
        )
    elif tensor.numel() == 0:
        do = "It has no pixels: look where it was cut out."
    elif tensor.ndim == 4:
        do = "It looks like a batch: give it to prepare, or take one picture, tensor[0]."
    elif tensor.ndim == 3 and tensor.shape[0] not in _CHANNELS and tensor.shape[2] in _CHANNELS:
        do = "Channels come first: tensor.permute(2, 0, 1)."
    elif tensor.ndim != 3 or tensor.shape[0] not in _CHANNELS:
        do = "Bring colours, height and width into that order."
    if do:
        raise ImageError(f"{name}: expected {wanted}; came {came}. {do}")
    return from_array(tensor.permute(1, 2, 0).cpu().numpy(), name, mode)


def _orientation(picture: Image.Image) -> int:
    """What EXIF or XMP says; a tag nobody can parse turns nothing."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # cameras write what they like, and Pillow raises what it likes
        return 1


def _with_alpha(picture: Image.Image, name: str) -> Image.Image:
    """All four channels; there is no fourth in a picture of three."""
    if picture.mode != "RGBA":
        raise ImageError(
            f"{name}: expected a picture of four channels, as the model's first convolution takes"
            f" them; came one of mode '{picture.mode}'. Give an RGBA picture or an array [h, w, 4],"
            " or a ready tensor [b, 4, h, w]."
        )
    return picture.copy()


def _flat(picture: Image.Image, name: str) -> Image.Image:
    """One opaque RGB layer, always a new object."""
    if picture.mode.startswith("I;16") or (
        picture.mode == "I" and picture.format in ("PNG", "PPM")
    ):
        grey = np.asarray(picture)
        clear = picture.info.get("transparency")
        if isinstance(clear, int):
            grey = np.where(grey == clear, 65535, grey)
        return Image.fromarray(_from_sixteen(grey)).convert("RGB")
    if picture.mode == "I":
        raise ImageError(
            f"{name}: expected 8 or 16 bits a channel; came 32-bit integers (Pillow's mode 'I'),"
            " which do not say how bright white is. Scale them yourself and give a float array in"
            " [0, 1]."
        )
    if picture.mode == "F":
        return from_array(np.asarray(picture), name)
    try:
        if picture.has_transparency_data:
            # A copy, because converting a palette writes the alphas into the palette of its source.
            layer = picture.copy().convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")
            white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
            return Image.alpha_composite(white, layer).convert("RGB")
        return picture.convert("RGB")
    except ValueError as error:
        raise ImageError(
            f"{name}: expected a colour mode Pillow turns into RGB; came '{picture.mode}'"
            f" ({error}). Convert the picture to RGB first."
        ) from error


def _eight_bits(array: Array, name: str) -> Array:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return _from_sixteen(array)
    if array.dtype.kind != "f":
        raise ImageError(
            f"{name}: expected an array of uint8, uint16, bool or float; came {array.dtype}. "
            "For values 0 to 255 give array.astype('uint8')."
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= -_FORGIVEN and high <= 1 + _FORGIVEN):  # so that nan is refused too
        do = (
            "Divide by 255, or give array.astype('uint8')."
            if high > 1 and low >= 0
            else "Rescale it first."
        )
        raise ImageError(
            f"{name}: expected floats in [0, 1]; came values from {low:g} to {high:g}. {do}"
        )
    scaled = array.astype(np.result_type(array.dtype, np.float32)) * 255
    return np.asarray(np.rint(scaled).clip(0, 255).astype(np.uint8))


def _from_sixteen(array: Array) -> Array:
    """0..65535 to the nearest of 0..255: 65535 = 255 * 257, and an odd divisor knows no ties."""
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
