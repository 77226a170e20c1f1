import pytest
from PIL import Image

from sightline.render.lettering import INK, Lettering

TEXT = Lettering(14)


@pytest.mark.parametrize("width", [60, 111, 300])
@pytest.mark.parametrize(
    "text",
    [
        "a heading of several words",
        "one_word_without_any_space_in_it_0123456789.jpeg",
        "Łódź — café, tabby × “lynx”",
    ],
)
def test_no_line_is_wider_than_asked(text, width):
    lines = TEXT.lines(text, width, most=20)
    assert max(TEXT.face.getlength(line) for line in lines) <= width
    assert "".join(lines).replace(" ", "") == TEXT._transliterated(text).replace(" ", "")


def test_what_does_not_fit_ends_in_an_ellipsis():
    lines = TEXT.lines("one two three four five six seven eight nine ten", 80, most=2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert TEXT.face.getlength(lines[-1]) <= 80


def test_line_breaks_are_kept_and_nothing_is_no_line():
    assert TEXT.lines("first\nsecond\t  line", 500, most=5) == ["first", "second line"]
    assert TEXT.lines("", 500, most=5) == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Łódź", "Lodz"),
        ("naïve café", "naive cafe"),
        ("5 × 5 → 1", "5 x 5 -> 1"),
        ("½ €", "1⁄2 ?"),
        ("漢字.png", "??.png"),
    ],
)
def test_letters_the_font_lacks_are_written_with_their_nearest(text, written):
    assert TEXT.lines(text, 500, most=1) == [written]


def test_a_font_file_of_ones_own_writes_them_as_they_are():
    matplotlib = pytest.importorskip("matplotlib")
    font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    assert Lettering(14, font=font).lines("Łódź → ½", 500, most=1) == ["Łódź → ½"]


def test_draws_within_its_lines():
    page = Image.new("RGB", (200, 100), "white")
    TEXT.draw(page, (20, 30), ["Ágjpqy|", "lower"])
    ink = Image.eval(page.convert("L"), lambda value: 255 - value).getbbox()
    assert ink is not None
    assert ink[0] >= 20
    assert ink[1] >= 30
    assert ink[3] <= 30 + 2 * TEXT.leading
    assert min(colour for _, colour in page.getcolors()) == INK
