"""The demo's parts by hand; the whole of it is run by the tests of the command line."""

import torch
from PIL import Image

from sightline.apps.demo import METHODS, beside, count_shown, halves, scenes
from sightline.methods import find_method


def test_pictures_of_one_height_stand_side_by_side():
    joined = beside([Image.new("RGB", (2, 3), "red"), Image.new("RGB", (1, 3), "blue")])
    assert joined.size == (3, 3)
    assert [joined.getpixel((x, 1)) for x in range(3)] == [(255, 0, 0)] * 2 + [(0, 0, 255)]


def test_an_object_is_shown_where_its_part_exceeds_half_of_the_maximum():
    one = torch.tensor([[1.0, 0.0, 0.5, 0.0, 0.0, 0.6]])
    assert count_shown(one, halves(3)) == 2
    assert count_shown(one, halves(1)) == 1
    assert count_shown(torch.zeros(1, 6), halves(3)) == 0


def test_halves_cover_the_picture():
    assert halves(3)[0][0] == 0.0
    assert halves(3)[-1][2] == 1.0
    assert all(one[2] == other[0] for one, other in zip(halves(3), halves(3)[1:], strict=False))


def test_every_scene_is_asked_for_by_name_and_every_method_is_known():
    names = [scene.name for scene in scenes()]
    assert len(set(names)) == len(names) == 5
    assert [find_method(name).name for name in METHODS] == list(METHODS)
