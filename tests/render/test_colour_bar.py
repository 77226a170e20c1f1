import pytest

from sightline.errors import MethodError
from sightline.render import colour_bar


def test_runs_from_no_evidence_to_most():
    bar = colour_bar(width=200)
    assert bar.width == 200
    assert bar.getpixel((0, 5)) == (0, 0, 4)
    assert bar.getpixel((199, 5)) == (252, 255, 164)
    assert bar.getpixel((0, bar.height - 1)) == (255, 255, 255)


def test_the_signed_bar_is_white_in_the_middle():
    bar = colour_bar("blue_red", width=201)
    assert bar.getpixel((100, 2)) == (255, 255, 255)
    assert bar.getpixel((0, 2))[2] > bar.getpixel((0, 2))[0]
    assert bar.getpixel((200, 2))[0] > bar.getpixel((200, 2))[2]


def test_a_narrow_bar_wraps_its_words():
    assert colour_bar(width=90).height > colour_bar(width=300).height


def test_words_of_ones_own():
    assert colour_bar(labels=("little", "much")).tobytes() != colour_bar().tobytes()


def test_an_unknown_map():
    with pytest.raises(MethodError, match="'magma'"):
        colour_bar("magna")
