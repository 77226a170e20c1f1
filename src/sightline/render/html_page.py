"""One page that shows and says it all: a single HTML file that loads nothing from anywhere."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sightline.errors import ImageError
from sightline.render.convert import on_white
from sightline.render.html import data_url, gradient, page

LARGEST = 1024
"""Pictures in the page are reduced to at most this many pixels a side."""


@dataclass(frozen=True)
class Bar:
    """A labelled bar: a class and the model's confidence in it, as a rule.

    `value` is the bar's length, a share of the whole; beyond 1 the bar ends at 1. `text` is written
    beside it (the value in per cent, where none is given). `marked` bars stand out: the class
    explained. `tick` is a line across the bar: what the value is to be compared with, e.g. the
    confidence on the whole photograph.
    """

    label: str
    value: int | float
    marked: bool = False
    text: str = ""
    tick: int | float | None = None

    def __post_init__(self) -> None:
        for share in (self.value, self.tick or 0.0):
            if not 0 <= share < math.inf:
                raise ImageError(
                    f"Expected the length of a bar as a share, 0 or more; came {share} for"
                    f" {self.label!r}. Leave out what could not be measured, or say so in a"
                    " warning."
                )

    @property
    def value_text(self) -> str:
        """What is written beside the bar.

        >>> (
        ...     Bar("tabby", 0.4567).value_text,
        ...     Bar("lynx", 0.0004).value_text,
        ...     Bar("cup", 0.0).value_text,
        ... )
        ('45.7 %', '<0.1 %', '0.0 %')
        """
        if self.text:
            return self.text
        return "<0.1 %" if 0 < self.value < 0.0005 else f"{100 * self.value:.1f} %"


@dataclass(frozen=True)
class Figure:
    """A picture with its caption, and one sentence on what one sees.

    - `bar`: drawn below, e.g. the confidence that the explanation map keeps.
    - `group`: figures that follow one another with the same group stand below one heading: a class,
      where one photograph is asked about several.
    - `drawing`: line art and text, stored without loss (PNG); else stored as a photograph (JPEG).
    - `alt`: what a screen reader says; the caption and the entry's title, where none is given.
    """

    picture: Image.Image
    caption: str
    note: str = ""
    bar: Bar | None = None
    group: str = ""
    drawing: bool = False
    alt: str = ""


@dataclass(frozen=True)
class Entry:
    """A photograph and all that is to be shown of it. Everything but the title may be missing.

    `sentences` are paragraphs below the title, `photograph` stands beside the `figures` with `bars`
    below it under the heading `bars_title`; `facts` are small print (layer, method, variant),
    `warnings` are seen first: a status that is not ok, a file that could not be read.
    """

    title: str
    sentences: str | Sequence[str] = ()
    photograph: Figure | None = None
    bars: Sequence[Bar] = ()
    bars_title: str = "Top classes"
    figures: Sequence[Figure] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def groups(self) -> list[tuple[str, list[Figure]]]:
        """The figures under their headings, in order."""
        return [
            (name, list(some))
            for name, some in itertools.groupby(self.figures, lambda figure: figure.group)
        ]


def report(
    title: str,
    intro: str | Sequence[str],
    entries: Sequence[Entry],
    *,
    legend: Mapping[str, str] | None = None,
    colours: str | None = "inferno",
    footer: str | Sequence[str] = (),
) -> str:
    """The page, as text: write it to a file with `encoding="utf-8"`.

    - Pictures are inside the page, at most 1024 pixels a side; the page forbids the browser to load
      anything (a content security policy), so it works offline and tells nobody that it was opened.
    - All texts are plain text: what looks like markup in a file's name is shown, not obeyed.
    - `intro` and `footer` are paragraphs; `legend` explains words, e.g. what each method shows,
      beside the bar of the colour map `colours` (None: no bar).
    - It follows the reader's light or dark setting and the width of the window, prints, and can be
      read by a screen reader. A click enlarges a figure; the arrow keys then step through the
      figures of its entry, which shows small differences by their flicker.

    Raises `MethodError` for an unknown colour map.

    >>> text = report("Two cats", "What a model saw.", [Entry("<b>.jpg", "A cat.")])
    >>> "&lt;b&gt;.jpg" in text, "<b>" in text
    (True, False)
    """
    return page(
        "report.html.jinja",
        filters={"picture": _picture, "paragraphs": _paragraphs, "share": _share},
        title=title,
        intro=intro,
        entries=entries,
        legend=legend or {},
        gradient=None if colours is None else gradient(colours),
        footer=footer,
    )


def _picture(figure: Figure) -> dict[str, Any]:
    """What the template needs of a picture: its address (the data themselves), width and height."""
    picture = on_white(figure.picture)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return {
        "address": data_url(picture, drawing=figure.drawing),
        "width": picture.width,
        "height": picture.height,
    }


def _share(share: int | float) -> str:
    return f"{min(share, 1.0):.1%}"


def _paragraphs(text: str | Iterable[str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)
