"""An explanation as pictures: which map lies on which image, and what is drawn of other axes."""

import numpy as np
import pytest
import torch

from helpers.nets import batch, convnet
from sightline import explain
from sightline.explanation.pictures import _flat, map_picture, photograph, png, sheet
from sightline.render import overlay


def same(one, two):
    return np.array_equal(np.asarray(one), np.asarray(two))


@pytest.mark.parametrize("target", [1, [1, 0]])
def test_a_map_lies_over_its_own_image(target):
    e = explain(convnet(), batch(), target)
    for i, j, map, _, _ in e.each():
        assert same(map_picture(e, i, j), overlay(photograph(e, i), map)), (i, j)


def test_a_signal_is_a_strip_and_a_clip_its_middle_frame():
    signal, clip = torch.arange(16.0), torch.arange(5.0).view(5, 1, 1).expand(5, 2, 3)
    assert torch.equal(_flat(signal, 0), signal.expand(2, 16))
    assert torch.equal(_flat(clip, 0), torch.full((2, 3), 2.0))
    assert torch.equal(_flat(torch.tensor([[torch.nan, torch.inf]]), 0), torch.zeros(1, 2))


@pytest.mark.parametrize(("axes", "size"), [(1, (224, 28)), (2, (10, 12))])
def test_what_is_no_picture_is_grey(axes, size):
    e = explain(convnet(axes), batch(axes), 1)
    assert photograph(e, 0).size == size
    if axes == 1:
        assert photograph(e, 0).getpixel((0, 0)) == (128, 128, 128)


def test_the_sheet_and_the_notebook_s_bytes_are_one_picture():
    e = explain(convnet(), batch(), [1, 0])
    assert same(sheet(e), e.sheet())
    assert png(sheet(e)) == e._repr_png_()
    assert png(sheet(e)).startswith(b"\x89PNG")
