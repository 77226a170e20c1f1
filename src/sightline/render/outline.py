"""Boxes on a picture, with a word at each."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from sightline.errors import ImageError
from sightline.render.lettering import Colour, Lettering

AMBER: Colour = (255, 176, 0)


def outline(
    picture: Image.Image,
    boxes: Tensor | Iterable[Sequence[int | float]],
    labels: Sequence[str] | None = None,
    *,
    colour: Colour = AMBER,
    font: str | Path | None = None,
) -> Image.Image:
    """A copy of the picture with its boxes drawn, each with its label on a small plate.

    `boxes` `[n, 4]`: left, top, right, bottom in pixels of the picture, right and bottom just
    outside of the box, so that `right - left` is its width. The line lies on the box's own
    outermost pixels, with a thin dark one inside it, to be seen on any ground. Boxes beyond the
    picture are cut at its edge. Raises `ImageError` where a box does not have four numbers, or the
    labels are not as many as the boxes.

    >>> outline(Image.new("RGB", (40, 40)), [(10, 10, 30, 30)]).getpixel((10, 20))
    (255, 176, 0)
    """
    drawn = picture.convert("RGB").copy()
    places = [[float(edge) for edge in box] for box in boxes]
    if any(len(place) != 4 for place in places) or (
        labels is not None and len(labels) != len(places)
    ):
        raise ImageError(
            "Expected boxes of four numbers (left, top, right, bottom) and a label for each, or"
            f" none; came boxes of {sorted({len(place) for place in places})} numbers,"
            f" {len(places)} of them, and {'no' if labels is None else len(labels)} labels. Pass"
            " one box a label."
        )
    pen = ImageDraw.Draw(drawn)
    thick = max(1, round(min(drawn.size) / 110))
    text = Lettering(max(10, min(drawn.size) / 18), font=font)
    for index, (left, top, right, bottom) in enumerate(places):
        left, top = max(0, round(left)), max(0, round(top))
        right, bottom = min(drawn.width, round(right)), min(drawn.height, round(bottom))
        if right - left < 1 or bottom - top < 1:
            continue
        inner = [left + thick, top + thick, right - 1 - thick, bottom - 1 - thick]
        if inner[2] > inner[0] and inner[3] > inner[1]:
            pen.rectangle(inner, outline=(0, 0, 0), width=1)
        pen.rectangle([left, top, right - 1, bottom - 1], outline=colour, width=thick)
        if labels is not None and labels[index]:
            _plate(drawn, text, labels[index], left, top, colour)
    return drawn


def _plate(
    on: Image.Image, text: Lettering, label: str, left: int, top: int, colour: Colour
) -> None:
    """The label above the box, or inside where there is no room; moved left to stay in sight."""
    gap = round(text.size * 0.35)
    lines = text.lines(label, on.width - 2 * gap, 1)
    width = round(text.face.getlength(lines[0])) + 2 * gap
    height = text.leading + gap // 2
    left = max(0, min(left, on.width - width))
    top = top - height if top >= height else top
    ImageDraw.Draw(on).rectangle([left, top, left + width - 1, top + height - 1], fill=colour)
    text.draw(on, (left + gap, top + gap // 4), lines)
