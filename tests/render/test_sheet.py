import pytest
from PIL import Image, ImageChops

from sightline.errors import ImageError
from sightline.render import colour_bar, sheet
from sightline.render.lettering import Lettering

RED, GREEN, BLUE = (255, 0, 0), (0, 128, 0), (0, 0, 255)


def plain(colour, width=224, height=224):
    return Image.new("RGB", (width, height), colour)


def box_of(page, colour):
    """Where a colour stands, as left, top, right, bottom."""
    away = ImageChops.difference(page, Image.new("RGB", page.size, colour)).convert("L")
    return Image.eval(away, lambda value: 255 if value == 0 else 0).getbbox()


def test_the_size_follows_from_the_measures():
    page = sheet([[plain(RED), plain(GREEN), plain(BLUE)]] * 2, bar=None)
    assert page.size == (2 * 24 + 3 * 224 + 2 * 12, 2 * 24 + 2 * 224 + 18)
    assert page.mode == "RGB"


def test_pictures_stand_where_they_belong():
    page = sheet([[plain(RED), plain(GREEN)], [plain(BLUE)]], bar=None)
    assert box_of(page, RED) == (24, 24, 248, 248)
    assert box_of(page, GREEN) == (24 + 224 + 12, 24, 484, 248)
    assert box_of(page, BLUE) == (24, 248 + 18, 248, 490)
    assert page.getpixel((300, 300)) == (255, 255, 255)


def test_words_make_room_for_themselves():
    bare = sheet([[plain(RED)]], bar=None)
    head, note = Lettering(15).leading, Lettering(13).leading
    headed = sheet([[plain(RED)]], columns=["Grad-CAM"], bar=None)
    assert headed.height == bare.height + head + 6
    noted = sheet([[plain(RED)]], notes=[["what one sees"]], bar=None)
    assert noted.height == bare.height + note + 6
    titled = sheet([[plain(RED)]], titles=["a.png"], bar=None)
    assert titled.size == (bare.width + 132 + 12, bare.height)
    assert box_of(titled, RED)[0] == 24 + 132 + 12


def test_a_colour_bar_stands_below():
    bare, page = sheet([[plain(RED)] * 2], bar=None), sheet([[plain(RED)] * 2], bar="viridis")
    bar = colour_bar("viridis", width=260)
    assert page.height == bare.height + 18 + bar.height
    assert page.crop((24, 266, 284, 266 + bar.height)).tobytes() == bar.tobytes()


@pytest.mark.parametrize("cell", [48, 112, 448])
def test_everything_grows_with_the_cell(cell):
    page = sheet([[plain(RED), plain(GREEN)]], cell=cell, bar=None)
    assert page.width == 2 * round(24 * cell / 224) + 2 * cell + round(12 * cell / 224)
    left, top, right, bottom = box_of(page, RED)
    assert (right - left, bottom - top) == (cell, cell)


def test_pictures_of_different_sizes_and_shapes():
    page = sheet(
        [[plain(RED, 640, 320), plain(BLUE, 10, 40)], [None, plain(GREEN, 32, 32)]],
        cell=200,
        bar=None,
    )
    margin, gap, apart = round(24 / 1.12), round(12 / 1.12), round(18 / 1.12)
    assert box_of(page, RED) == (margin, margin, margin + 200, margin + 100)
    left = margin + 200 + gap
    assert box_of(page, BLUE) == (left, margin, left + 50, margin + 200)
    assert box_of(page, GREEN) == (left, margin + 200 + apart, left + 200, margin + 400 + apart)
    assert page.getpixel((margin + 5, margin + 205 + apart)) == (244, 243, 241)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [48, 224])
@pytest.mark.parametrize("high", [224, 8])
def test_text_is_never_clipped(cell, high):
    """Far too long in every place: the margins stay white, and no picture is written upon."""
    long = (
        "Supercalifragilisticexpialidocious_0123456789 and a great many other words behind it. " * 4
    )
    page = sheet(
        [[plain(RED, height=high), plain(GREEN, height=high)]] * 2,
        columns=[long, long],
        titles=["b", long + "\n" + long],
        notes=[[long, "x"], ["", long]],
        heading=long,
        cell=cell,
    )
    margin = round(24 * cell / 224)
    width, height = page.size
    frame = [(0, 0, width, margin), (0, 0, margin, height), (width - margin, 0, width, height)]
    frame.append((0, height - margin, width, height))
    darkest = min(low for box in frame for low, _ in page.crop(box).getextrema())
    assert darkest >= 250  # smoothing may leave a trace of a letter's edge
    painted = sum(count for count, colour in page.getcolors(10**6) if colour in (RED, GREEN))
    assert painted == 4 * cell * round(high * cell / 224)


def test_transparency_is_white():
    page = sheet([[Image.new("RGBA", (224, 224), (255, 0, 0, 0))]], bar=None)
    assert page.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize(
    ("rows", "more"),
    [
        ([], {}),
        ([[]], {}),
        ([[plain(RED)]], {"cell": 8}),
        ([[plain(RED)]], {"columns": ["a", "b"]}),
        ([[plain(RED)]], {"titles": ["a", "b"]}),
        ([[plain(RED)]], {"notes": [["a"], ["b"]]}),
        ([[plain(RED)]], {"notes": [["a", "b"]]}),
    ],
)
def test_what_makes_no_sheet(rows, more):
    with pytest.raises(ImageError, match="Expected"):
        sheet(rows, **more)


def test_the_words_below_the_bar():
    rows = [[Image.new("RGB", (20, 20))] * 3]
    usual = sheet(rows)
    assert sheet(rows, ends=("0 no evidence", "1 most evidence")).tobytes() == usual.tobytes()
    other = sheet(rows, ends=("0 nothing of it", "1 most of it"))
    assert other.size == usual.size
    assert other.tobytes() != usual.tobytes()
