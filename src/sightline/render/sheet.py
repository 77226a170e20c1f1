"""Pictures side by side: a row an image, a column a method, and what the colours mean below."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from PIL import Image

from sightline.errors import ImageError
from sightline.render.colour_bar import colour_bar
from sightline.render.convert import on_white
from sightline.render.lettering import PALE, Lettering

Cell = Image.Image | None

_BLANK = (244, 243, 241)


def sheet(
    rows: Sequence[Sequence[Cell]],
    *,
    columns: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    notes: Sequence[Sequence[str]] | None = None,
    heading: str = "",
    bar: str | None = "inferno",
    ends: tuple[str, str] | None = None,
    cell: int = 224,
    font: str | Path | None = None,
) -> Image.Image:
    """A table of pictures on white.

    - `rows`: pictures of any sizes, enlarged or reduced so that the longer side is `cell` pixels;
      `None` leaves a pale square. Rows may differ in length. A column is at least half a cell wide.
    - `columns`: a heading above each column. `titles`: a title left of each row; what stands behind
      its first line break is written paler. `notes`: a caption below each picture, `""` for none.
    - `heading`: one line above it all. `bar`: the colour map whose bar stands below, or `None`;
      `ends`: other words at its ends than 0 no evidence, 1 most evidence.
    - `font`: a font file, for letters that Pillow's own font lacks.

    Text is wrapped, and cut with an ellipsis where it would be too long; nothing is clipped. With
    `cell=224` the margin is 24 pixels, the gap between columns 12, and titles take 132 and a gap;
    everything grows with `cell`. So four square columns without titles are 2 * 24 + 4 * 224 + 3 *
    12 = 980 pixels wide.

    Raises `ImageError` without any picture, or with more headings, titles or notes than there are
    places.

    >>> four = [Image.new("RGB", (10, 10))] * 4
    >>> sheet([four], columns=["Photograph", "Grad-CAM", "Grad-CAM++", "Layer-CAM"]).width
    980
    """
    _check(rows, columns, titles, notes, cell)
    look = _Look(cell, font)
    pictures = [[_fit(picture, cell) for picture in row] for row in rows]
    count = max(map(len, pictures))
    widths = [
        max(cell // 2, *(row[c].width for row in pictures if c < len(row))) for c in range(count)
    ]
    start = look.margin + (look.titled + look.gap if titles is not None else 0)
    lefts = list(
        accumulate(widths[:-1], lambda left, width: left + width + look.gap, initial=start)
    )
    width = lefts[-1] + widths[-1] + look.margin

    # All that is written is wrapped first: the heights follow from it.
    above = look.large.lines(heading, width - 2 * look.margin, 2)
    heads = [look.head.lines(text, widths[c], 3) for c, text in enumerate(columns or [])]
    parts = [title.partition("\n") for title in titles or [""] * len(rows)]
    names = [
        (look.head.lines(name, look.titled, 5), look.pale.lines(more, look.titled, 6))
        for name, _, more in parts
    ]
    below = [
        [look.pale.lines(note, widths[c], 4) for c, note in enumerate(row)]
        for row in notes or [[]] * len(rows)
    ]
    pictured = [max(picture.height for picture in row) for row in pictures]
    noted = [max(map(len, row), default=0) * look.pale.leading for row in below]
    titled = [len(name) * look.head.leading + len(more) * look.pale.leading for name, more in names]
    heights = [
        max(high + (look.small + note if note else 0), title)
        for high, note, title in zip(pictured, noted, titled, strict=True)
    ]
    most = max(map(len, heads), default=0)
    first = look.margin + (len(above) * look.large.leading + look.gap if above else 0)
    second = first + (most * look.head.leading + look.small if most else 0)
    tops = list(
        accumulate(heights[:-1], lambda top, high: top + high + look.spacing, initial=second)
    )
    end = tops[-1] + heights[-1]
    foot = None
    if bar is not None:
        room = min(width - 2 * look.margin, max(200, look.px(260)))
        foot = colour_bar(bar, width=room, labels=ends, size=look.pale.size, font=font)

    page = Image.new(
        "RGB", (width, end + (look.spacing + foot.height if foot else 0) + look.margin), "white"
    )
    look.large.draw(page, (look.margin, look.margin), above)
    for left, lines in zip(lefts, heads, strict=False):
        look.head.draw(page, (left, first + (most - len(lines)) * look.head.leading), lines)
    for r, top in enumerate(tops):
        name, more = names[r]
        look.head.draw(page, (look.margin, top), name)
        look.pale.draw(page, (look.margin, top + len(name) * look.head.leading), more)
        for left, picture in zip(lefts, pictures[r], strict=False):
            page.paste(picture, (left, top))
        for left, lines in zip(lefts, below[r], strict=False):
            look.pale.draw(page, (left, top + pictured[r] + look.small), lines)
    if foot:
        left = start if start + foot.width <= width - look.margin else look.margin
        page.paste(foot, (left, end + look.spacing))
    return page


@dataclass(frozen=True)
class _Look:
    """Measures in pixels and letterings, all growing with the cell."""

    cell: int
    font: str | Path | None

    def px(self, at_224: int) -> int:
        return round(at_224 * self.cell / 224)

    @property
    def margin(self) -> int:
        return self.px(24)

    @property
    def gap(self) -> int:
        """Between columns."""
        return self.px(12)

    @property
    def spacing(self) -> int:
        """Between rows."""
        return self.px(18)

    @property
    def small(self) -> int:
        """Between a picture and its words."""
        return self.px(6)

    @property
    def titled(self) -> int:
        """Width of a row's title."""
        return self.px(132)

    @cached_property
    def large(self) -> Lettering:
        return Lettering(max(14, self.px(20)), font=self.font)

    @cached_property
    def head(self) -> Lettering:
        return Lettering(max(12, self.px(15)), font=self.font)

    @cached_property
    def pale(self) -> Lettering:
        return Lettering(max(11, self.px(13)), PALE, self.font)


def _fit(picture: Cell, cell: int) -> Image.Image:
    if picture is None:
        return Image.new("RGB", (cell, cell), _BLANK)
    scale = cell / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.LANCZOS
    picture = on_white(picture)
    return picture if picture.size == size else picture.resize(size, how)


def _check(
    rows: Sequence[Sequence[Cell]],
    columns: Sequence[str] | None,
    titles: Sequence[str] | None,
    notes: Sequence[Sequence[str]] | None,
    cell: int,
) -> None:
    count = max(map(len, rows), default=0)
    if not count or not all(rows) or cell < 32:
        raise ImageError(
            f"Expected rows of one or more pictures, cells of 32 pixels or more; came {len(rows)}"
            f" rows of {[len(row) for row in rows]} pictures, cells of {cell}. Leave empty rows"
            " out."
        )
    if len(columns or []) > count or (titles is not None and len(titles) != len(rows)):
        raise ImageError(
            f"Expected at most {count} column headings and {len(rows)} row titles; came"
            f" {len(columns or [])} and {len(titles or [])}. Give one heading a column, one title a"
            " row."
        )
    if notes is not None and (
        len(notes) != len(rows)
        or any(len(few) > len(row) for few, row in zip(notes, rows, strict=True))
    ):
        raise ImageError(
            f"Expected a row of notes for each of {len(rows)} rows, at most one a picture; came"
            " rows of "
            f'{[len(row) for row in notes]} notes. Write "" where there is nothing to say.'
        )
