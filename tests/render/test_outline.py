import pytest
import torch
from PIL import Image

from sightline.errors import ImageError
from sightline.render import outline
from sightline.render.outline import AMBER

GREY = (90, 90, 90)


@pytest.fixture
def picture():
    return Image.new("RGB", (100, 80), GREY)


def test_the_line_lies_on_the_outermost_pixels_of_the_box(picture):
    drawn = outline(picture, torch.tensor([[20, 10, 60, 50]]))
    on = [(20, 30), (59, 30), (40, 10), (40, 49), (20, 10), (59, 49)]
    off = [(19, 30), (60, 30), (40, 9), (40, 50), (40, 30)]
    assert {drawn.getpixel(place) for place in on} == {AMBER}
    assert {drawn.getpixel(place) for place in off} == {GREY}
    assert drawn.getpixel((21, 30)) == (0, 0, 0)


def test_the_picture_given_stays_as_it_was(picture):
    outline(picture, [(0, 0, 50, 50)], ["cat"])
    assert picture.getextrema() == ((90, 90),) * 3


def test_the_label_stands_above_or_inside_and_within_the_picture(picture):
    above = outline(picture, [(20, 40, 60, 70)], ["cat"])
    assert above.getpixel((20, 39)) == AMBER
    inside = outline(picture, [(20, 2, 60, 70)], ["cat"])
    assert inside.getpixel((25, 3)) == AMBER
    right = outline(
        picture, [(95, 40, 100, 70)], ["a label that is much too long for this picture"]
    )
    assert {right.getpixel((x, 39)) for x in (10, 50, 90)} == {AMBER}


def test_the_label_is_written(picture):
    plates = [outline(picture, [(20, 40, 60, 70)], [label]).tobytes() for label in ("cat", "dog")]
    assert plates[0] != plates[1]


def test_boxes_are_cut_at_the_edge_and_empty_ones_left_out(picture):
    drawn = outline(picture, [(-30, -30, 300, 300)])
    assert {drawn.getpixel(place) for place in [(0, 40), (99, 40), (50, 0), (50, 79)]} == {AMBER}
    assert outline(picture, [(10, 10, 10, 40), (200, 0, 300, 10)]).tobytes() == picture.tobytes()


@pytest.mark.parametrize(("boxes", "labels"), [([(1, 2, 3)], None), ([(1, 2, 30, 40)], ["a", "b"])])
def test_boxes_and_labels_that_do_not_fit(picture, boxes, labels):
    with pytest.raises(ImageError, match="left, top, right, bottom"):
        outline(picture, boxes, labels)
