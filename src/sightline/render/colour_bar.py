"""What the colours mean: a bar from no evidence to most."""

from pathlib import Path

import torch
from PIL import Image

from sightline.render.colours import DIVERGING, colourise, diverging
from sightline.render.convert import picture
from sightline.render.lettering import PALE, Lettering


def colour_bar(
    name: str = "inferno",
    *,
    width: int = 260,
    labels: tuple[str, str] | None = None,
    size: int | float = 13,
    font: str | Path | None = None,
) -> Image.Image:
    """A colour map from end to end, with what its ends mean below: 0 no evidence, 1 most evidence.

    `name` a map for evidence in [0, 1], or `"blue_red"`, which runs from -1 (against) over 0 to 1
    (for). The pixels of the first and last column are the colours of the ends. `labels` replaces
    the words at the ends, `size` is that of the text in pixels. Raises `MethodError` for an unknown
    name.

    >>> colour_bar("grey", width=100).getpixel((99, 0))
    (255, 255, 255)
    """
    both_signs = name == DIVERGING
    start, end = labels or (
        ("-1 against", "1 for") if both_signs else ("0 no evidence", "1 most evidence")
    )
    scale = torch.linspace(-1 if both_signs else 0, 1, width, dtype=torch.float32, device="cpu")[
        None
    ]
    colours = diverging(scale, limit=1.0) if both_signs else colourise(scale, name)

    text = Lettering(size, PALE, font)
    left, right = (text.lines(label, width * 0.48, 2) for label in (start, end))
    thick = round(size * 0.8)
    rows = max(len(left), len(right))
    bar = Image.new("RGB", (width, thick + round(size * 0.4) + rows * text.leading), "white")
    bar.paste(picture(colours.expand(thick, -1, -1)), (0, 0))
    top = thick + round(size * 0.4)
    text.draw(bar, (0, top), left)
    for index, line in enumerate(right):
        text.draw(bar, (width - text.face.getlength(line), top + index * text.leading), [line])
    return bar
