"""An explanation as pictures: a map over its image, what the model saw, a sheet of all of them."""

from io import BytesIO
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from sightline.images import framed
from sightline.render import overlay, pixels_picture
from sightline.render import sheet as sheet_of

if TYPE_CHECKING:
    from sightline.explanation.result import Explanation

_GREY = (128, 128, 128)


def map_picture(explanation: "Explanation", image: int, target: int) -> Image.Image:
    """One map over its image; for the methods in pixel space the pixels themselves."""
    held = explanation.per_target
    if held.pixels is None:
        return overlay(photograph(explanation, image), _flat(held.maps[image, target], 0))
    pixels = _flat(held.pixels[image, target], 1)
    if len(pixels) != 3:
        pixels = pixels.sum(0, keepdim=True).expand(3, -1, -1)
    return pixels_picture(pixels)


def photograph(explanation: "Explanation", image: int) -> Image.Image:
    """What the model saw of an image; of a file in full resolution, grey for what is no picture."""
    if explanation.sources is not None:
        return framed(explanation.sources[image], explanation.preprocess)
    images = explanation.images
    if images is None or images.ndim not in (4, 5):
        signal = explanation.per_target.maps.ndim == 3  # [b, n, l], drawn as a strip
        return Image.new("RGB", (224, 28 if signal else 224), _GREY)
    pixels = _flat(images[image], 1)
    return overlay(pixels.expand(3, -1, -1), torch.zeros_like(pixels[0]), strength=0)


def sheet(explanation: "Explanation") -> Image.Image:
    """All images, one a row, one target a column."""
    held = explanation.per_target
    rows: list[list[Image.Image]] = [[] for _ in explanation.names]
    notes: list[list[str]] = [[] for _ in explanation.names]
    for i, j, _, target, status in explanation.each():
        sure = how_much(explanation, i, j)
        rows[i].append(map_picture(explanation, i, j))
        notes[i].append(f"{target} {sure}".rstrip() + ("" if status.ok else f": {status}"))
    bar = "inferno" if held.pixels is None else None
    return sheet_of(rows, titles=explanation.names, notes=notes, bar=bar)


def how_much(explanation: "Explanation", image: int, target: int) -> str:
    """What the model says of a target: how sure it is of a class, or a quantity; else nothing."""
    held = explanation.per_target
    if explanation.provenance.get("outputs", {}).get("kind") == "value":
        return f"{float(held.scores[image, target]):.4g}"
    return "" if held.probabilities is None else f"{float(held.probabilities[image, target]):.0%}"


def png(picture: Image.Image) -> bytes:
    """A picture as a notebook takes it."""
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _flat(values: Tensor, lead: int) -> Tensor:
    """What of `[*lead, *s]` goes on paper: a clip's middle frame, a signal as a strip, nan as 0."""
    axes = values.ndim - lead
    if axes == 3:
        values = values.select(lead, values.shape[lead] // 2)
    elif axes == 1:
        height = max(1, values.shape[-1] // 8)
        values = values.unsqueeze(lead).expand(*values.shape[:lead], height, -1)
    return values.float().cpu().nan_to_num(0, 0, 0)
