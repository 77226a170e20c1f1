"""Text on a picture: as wide as it may be, wrapped, cut with an ellipsis, never clipped.

Drawn with the font that Pillow carries, so that a picture looks the same on every machine. That
font knows Latin letters without accents: other letters are written with their nearest ones, and as
`?` where there are none. Give the path of a font file that has them to keep, say, Greek or Chinese
class names.
"""

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

Colour: TypeAlias = tuple[int, int, int]

INK: Colour = (26, 24, 21)
PALE: Colour = (112, 107, 99)
"""Of headings and of captions, on white: contrast 17.6 and 5.3 to 1."""

_TRANSLITERATIONS = {
    **dict.fromkeys("–—−‐‑", "-"), "ß": "ss", "×": "x", "→": "->", "←": "<-", "≤": "<=", "≥": ">=",
    "Æ": "Ae", "æ": "ae", "Ø": "O", "ø": "o", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d",
    "Œ": "Oe", "œ": "oe", "ı": "i",
}  # fmt: skip


@dataclass(frozen=True)
class Lettering:
    """Text of one size and colour.

    >>> Lettering(12).lines("a word and another", width=60, most=2)
    ['a word', 'and anot…']
    """

    size: int | float
    colour: Colour = INK
    font: str | Path | None = None

    @cached_property
    def face(self) -> ImageFont.FreeTypeFont:
        """The font at its size."""
        if self.font is not None:
            return ImageFont.truetype(str(self.font), self.size)
        face = ImageFont.load_default(self.size)
        assert isinstance(face, ImageFont.FreeTypeFont)  # Pillow's wheels carry FreeType
        return face

    @property
    def leading(self) -> int:
        """Pixels from one line to the next."""
        return round(self.size * 1.3)

    def lines(self, text: str, width: int | float, most: int) -> list[str]:
        """The text in at most `most` lines of at most `width` pixels, the last with an ellipsis."""
        lines: list[str] = []
        for paragraph in self._transliterated(text).splitlines():
            line = ""
            for word in paragraph.split():
                for piece in self._pieces(word, width):
                    longer = f"{line} {piece}".strip()
                    if line and self.face.getlength(longer) > width:
                        lines.append(line)
                        line = piece
                    else:
                        line = longer
            lines.append(line)
        return (
            lines
            if len(lines) <= most
            else [*lines[: most - 1], self._cut(" ".join(lines[most - 1 :]), width)]
        )

    def draw(
        self, on: Image.Image, place: tuple[int | float, int | float], lines: list[str]
    ) -> None:
        """The lines on the picture, from `place` (left, top) downwards."""
        pen = ImageDraw.Draw(on)
        for index, line in enumerate(lines):
            pen.text(
                (place[0], place[1] + index * self.leading),
                line,
                self.colour,
                self.face,
                anchor="la",
            )

    def _pieces(self, word: str, width: int | float) -> list[str]:
        """A word wider than a line, in pieces that are not."""
        pieces = [""]
        for letter in word:
            if pieces[-1] and self.face.getlength(pieces[-1] + letter) > width:
                pieces.append("")
            pieces[-1] += letter
        return pieces

    def _cut(self, text: str, width: int | float) -> str:
        while text and self.face.getlength(text + "…") > width:
            text = text[:-1].rstrip()
        return text + "…"

    def _transliterated(self, text: str) -> str:
        if self.font is not None:
            return text
        return "".join(letter if self._has(letter) else self._nearest(letter) for letter in text)

    def _nearest(self, letter: str) -> str:
        if letter in _TRANSLITERATIONS:
            return _TRANSLITERATIONS[letter]
        if unicodedata.combining(letter):
            return ""
        parts = unicodedata.normalize("NFKD", letter)
        plain = "".join(part for part in parts if not unicodedata.combining(part))
        return plain if all(self._has(part) for part in plain) else "?"

    def _has(self, letter: str) -> bool:
        return letter.isspace() or (
            letter.isprintable() and bytes(self.face.getmask(letter)) != self._missing
        )

    @cached_property
    def _missing(self) -> bytes:
        """What the font draws for a letter it does not know."""
        return bytes(self.face.getmask("\uffff"))
