"""Segments: cells by hand, superpixels that keep to edges, and pictures that have none."""

import pytest
import torch

from sightline.errors import MethodError
from sightline.methods.blackbox.segments import grid, segmented


def test_the_cells_are_as_equal_as_can_be():
    assert grid([7], 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert grid([2, 2], 5).tolist() == [[0, 1], [2, 3]]
    assert grid([4, 4, 4], 2).unique().tolist() == list(range(8))


def test_a_grid_is_one_for_all_pictures_and_needs_none():
    numbers, kind = segmented(torch.rand(3, 3, 2, 5), [2, 5], 2, "grid")
    assert (numbers.tolist(), kind) == ([[[0, 0, 0, 1, 1], [2, 2, 2, 3, 3]]], "cells of a grid")
    assert torch.equal(segmented(None, [2, 5], 2, None)[0], numbers)


def test_superpixels_of_pictures():
    pytest.importorskip(
        "skimage.segmentation", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
    )
    picture = torch.zeros(2, 3, 20, 20)
    picture[0, :, :, 10:], picture[1, :, 5:] = 1, 1
    numbers, kind = segmented(picture, [20, 20], 3, None)
    assert kind == "superpixels (SLIC)"
    for one, plane in zip(numbers, picture[:, 0], strict=True):
        assert sorted(one.unique().tolist()) == list(range(int(one.max()) + 1))
        for k in range(int(one.max()) + 1):
            assert len(plane[one == k].unique()) == 1, "a superpixel does not cross the edge"
    grey, _ = segmented(picture[:, :1], [20, 20], 3, "slic")
    for k in range(int(grey[0].max()) + 1):
        assert len(picture[0, 0][grey[0] == k].unique()) == 1


@pytest.mark.parametrize("broken", [False, True])
def test_pictures_without_parts_have_a_grid(broken):
    """In noise SLIC finds one superpixel, and the map would be 1 everywhere."""
    pytest.importorskip(
        "skimage.segmentation", reason="needs scikit-image: pip install 'sightline-cam[demo]'"
    )
    noise = torch.rand(1, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    if broken:
        noise[0, 0, 0, 0] = torch.nan
    numbers, kind = segmented(noise, (80, 80), 5, None)
    assert int(numbers.max()) + 1 == 25
    assert (
        kind == "cells of a grid"
        f" ({'a picture is not finite' if broken else 'SLIC finds 1 superpixels'})"
    )
    if not broken:
        with pytest.raises(
            MethodError, match=r"SLIC finds 1 superpixels in one. Take segments='grid'"
        ):
            segmented(noise, (80, 80), 5, "slic")


def test_superpixels_of_no_picture_and_an_unknown_kind_are_refused():
    with pytest.raises(MethodError, match=r"the input is none. Take segments='grid'"):
        segmented(None, [4], 2, "slic")
    with pytest.raises(MethodError, match=r"came segments='slik'. Near names: 'slic'"):
        segmented(None, [4], 2, "slik")
